/** The story of a run that has a row. */
import type { RunDetail } from '../ports/inspect.ts';
import type { Facts, Story, StoryLine } from './facts.ts';
import { failureAdvice, skipped } from './reasons.ts';
import { tellDecided } from './tell-decided.ts';
import { acceptedLines, line, span, time } from './words.ts';

export function tellRun(facts: Facts, run: RunDetail): Story {
  const { answer, advice, verdict } = endOf(facts, run);
  const lines = [...originLines(facts, run), ...courseLines(run)];
  return { at: run.scheduledFor, runId: run.runId, verdict, answer, advice, lines };
}

type End = Pick<Story, 'verdict' | 'answer' | 'advice'>;

function endOf(facts: Facts, run: RunDetail): End {
  const { status, startedAt, finishedAt, error, attempt, retryAt, worker } = run;
  const now = facts.circumstances.now;
  switch (status) {
    case 'COMPLETED':
      return { verdict: 'completed', answer: `it ran${tookText(run)}${attemptsText(attempt)}`, advice: null };
    case 'FAILED': {
      const settled = run.discarded !== null || run.replays.some((replay) => replay.status === 'COMPLETED');
      const answer = `it failed${attemptsText(attempt)}: ${errorText(error)}`;
      return { verdict: 'failed', answer, advice: settled ? null : failureAdvice(run) };
    }
    case 'CANCELLED': {
      const when = startedAt === null ? 'before it started' : 'while it ran';
      return { verdict: 'cancelled', answer: `it was cancelled ${when}: ${errorText(error)}`, advice: null };
    }
    case 'SKIPPED':
      return { verdict: 'skipped', ...skipped(run, facts.job) };
    case 'RETRYING': {
      const left = retryAt === null ? '' : `, which is due ${retryAt > now ? `in ${span(retryAt - now)}` : 'now'}`;
      return { verdict: 'retrying', answer: `it failed and waits for attempt ${attempt}${left}`, advice: null };
    }
    case 'RUNNING': {
      const since = startedAt === null ? '' : ` for ${span(now - startedAt)}`;
      const isHeld = facts.circumstances.executors.some((executor) => executor.worker === worker);
      const gone =
        isHeld || run.queue !== facts.job?.spec.queue
          ? ''
          : `; that worker's lease is gone, and another takes the run over`;
      return {
        verdict: 'running',
        answer: `it runs${since} on ${worker}${gone}${finishedAt === null ? '' : ', at its end'}`,
        advice: null,
      };
    }
    case 'ENQUEUED':
      return tellDecided(facts, run);
  }
}

function tookText({ startedAt, finishedAt }: RunDetail): string {
  return startedAt === null || finishedAt === null ? '' : `, in ${span(finishedAt - startedAt)}`;
}

function attemptsText(attempt: number): string {
  return attempt > 1 ? `, at attempt ${attempt}` : '';
}

function errorText(error: RunDetail['error']): string {
  return error === null ? 'no error was told' : `${error.code}: ${error.message}`;
}

const ORIGINS: Readonly<Record<RunDetail['trigger'], (run: RunDetail) => string>> = {
  schedule: () => '',
  manual: ({ cause }) => `by trigger command ${cause}`,
  event: ({ cause }) => `by event ${cause}`,
  dependency: ({ cause }) => `by the end of ${cause}`,
  replay: ({ cause, replayOf }) => `as replay of ${replayOf}, by command ${cause}`,
  backfill: ({ cause }) => `as backfill ${cause}`,
};

function originLines(facts: Facts, run: RunDetail): StoryLine[] {
  const { trigger, scheduledFor, status, finishedAt, count, from, to } = run;
  const origin = ORIGINS[trigger](run);
  const lines = [...acceptedLines(facts, run.jobVersion)];
  lines.push(line(scheduledFor, 'due', origin === '' ? 'by the schedule' : origin));
  if (status !== 'SKIPPED') return lines;
  const group =
    count === null && from === null ? '' : `, with ${count ?? 'many'} others from ${time(from!)} to ${time(to!)}`;
  return [...lines, line(finishedAt, 'decided', `no run: ${run.reason}${group}`)];
}

function courseLines(run: RunDetail): StoryLine[] {
  const { attempt, startedAt, finishedAt, status, worker, error, lost, due } = run;
  const lines: StoryLine[] = [];
  const before = (due?.failures ?? []).filter((failure) => failure.attempt < attempt);
  for (const failure of before) {
    const text = `attempt ${failure.attempt} on ${failure.worker} failed: ${errorText(failure.error)}`;
    lines.push(line(failure.finishedAt, 'attempt', text));
  }
  if (lost > 0) lines.push(line(null, 'lost', `${lost} ${lost === 1 ? 'attempt' : 'attempts'} with their worker`));
  if (startedAt !== null && status !== 'RETRYING')
    lines.push(line(startedAt, 'started', `attempt ${attempt} on ${worker}${lateText(run, before.length)}`));
  if (status === 'RETRYING')
    lines.push(line(startedAt, 'attempt', `attempt ${attempt - 1} on ${worker} failed: ${errorText(error)}`));
  if (finishedAt !== null && status !== 'SKIPPED')
    lines.push(line(finishedAt, 'ended', `${status}${error === null ? '' : `, ${errorText(error)}`}`));
  for (const replay of run.replays) lines.push(line(null, 'replayed', `as ${replay.runId}: ${replay.status}`));
  if (run.discarded !== null) lines.push(line(run.discarded.at, 'discarded', run.discarded.note || 'without a note'));
  return lines;
}

/** How late the first attempt was, where that is worth a word. */
function lateText({ startedAt, scheduledFor, attempt, lost, trigger }: RunDetail, failures: number): string {
  const lateMs = (startedAt ?? scheduledFor) - scheduledFor;
  const isFirst = attempt === 1 && lost === 0 && failures === 0 && trigger === 'schedule';
  return isFirst && lateMs >= 1_000 ? `, ${span(lateMs)} after its time` : '';
}
