/**
 * Backfill: occurrences of a recurring schedule that passed without a run, because they were skipped or lie before the job was made.
 *
 * An occurrence gets one run in all. One of which nothing is stored gets the very run that its schedule would have made, so that
 * one which is on its way, and has no row yet, is the same; one that was SKIPPED has a row under that id, and gets the id of its
 * backfill, which is the same for every backfill.
 */
import type { BackfillCommand } from '../core/command.ts';
import type { BufferedRun, Job } from '../core/model.ts';
import { isExcluded, nextOccurrence } from '../core/occurrences/schedule.ts';
import { runIdOf } from '../core/run-id.ts';
import { formatInstant } from '../core/spec/instant.ts';
import { MAX_BACKFILL } from '../core/spec/parse-command.ts';
import { rejected, type Applied, type CommandContext } from './applied.ts';
import { scheduledRun } from './due-record.ts';
import { noEffects } from './effects.ts';
import { waitingRun } from './waiting-run.ts';

/** So many occurrences are looked at: most of a long range may have had their run. */
const MOST_LOOKED_AT = 10 * MAX_BACKFILL;

/** The runs that may be those of the occurrences that a backfill asks for. */
export function occurrencesToLookUp(job: Job | undefined, command: BackfillCommand, now: number): string[] {
  if (job === undefined || refusal(job, command) !== undefined) return [];
  return occurrencesOf(job, command, now).flatMap((at) => [scheduledRun(job, at).runId, backfillId(job, at)]);
}

/** Makes a run of each occurrence in `[from, to)` that was decided, or passed, without one. */
export function applyBackfill(job: Job | undefined, command: BackfillCommand, context: CommandContext): Applied {
  if (job === undefined) return rejected('unknown_job', 'there is no such job');
  const refused = refusal(job, command);
  if (refused !== undefined) return refused;
  const asked = occurrencesOf(job, command, context.now);
  if (asked.length > MOST_LOOKED_AT) return tooMany(command, `more than ${MOST_LOOKED_AT}`);
  const runs: BufferedRun[] = [];
  for (const at of asked) {
    const run = missingRun(job, at, command.commandId, context);
    if (run === 'unknown')
      return rejected('conflict', 'the job was changed at the same moment; send the backfill again');
    if (run !== 'ran') runs.push(run);
  }
  if (runs.length > command.limit) return tooMany(command, String(runs.length));
  const occurrences = runs.map(({ scheduledFor }) => scheduledFor);
  if (command.dryRun || runs.length === 0) return { outcome: 'unchanged', occurrences };
  const effects = noEffects();
  const { anchorAt } = job;
  const { now, partition, traceparent } = context;
  for (const run of runs) {
    const waiting = { run, anchorAt, overlap: command.overlap, traceparent };
    effects.addTimers.push(waitingRun(job, now, waiting, partition));
  }
  return { outcome: 'applied', effects: { ...effects, job: { ...job, updatedAt: now } }, occurrences };
}

function refusal({ state, spec }: Job, { from, to }: BackfillCommand): Applied | undefined {
  const { kind } = spec.schedule;
  if (kind !== 'cron' && kind !== 'every') {
    return rejected('conflict', `only cron and every have occurrences to backfill; this job has ${kind}`);
  }
  if (state === 'CANCELLED') return rejected('conflict', 'the job is CANCELLED: no run of it starts');
  if (to > from) return undefined;
  return { outcome: 'rejected', rejection: { code: 'invalid', message: 'to is not later than from', field: 'to' } };
}

/** Excluded ones are left out, and those that the schedule is yet to decide. */
function occurrencesOf({ spec: { schedule }, anchorAt, nextAt }: Job, command: BackfillCommand, now: number): number[] {
  const end = Math.min(command.to, now, nextAt ?? Infinity);
  const found: number[] = [];
  let at = nextOccurrence(schedule, anchorAt, command.from - 1);
  while (at !== null && at < end && found.length <= MOST_LOOKED_AT) {
    if (!isExcluded(schedule, at)) found.push(at);
    at = nextOccurrence(schedule, anchorAt, at);
  }
  return found;
}

function missingRun(
  job: Job,
  scheduledFor: number,
  commandId: string,
  { occurrenceRuns, existing }: CommandContext,
): BufferedRun | 'ran' | 'unknown' {
  const origin = { trigger: 'backfill', cause: commandId, replayOf: null } as const;
  const scheduledId = scheduledRun(job, scheduledFor).runId;
  const backfilledId = backfillId(job, scheduledFor);
  const [scheduled, backfilled] = [occurrenceRuns(scheduledId), occurrenceRuns(backfilledId)];
  if (scheduled === undefined || backfilled === undefined) return 'unknown';
  const isUnderWay = [...job.active, ...job.buffered].some(
    ({ runId }) => runId === scheduledId || runId === backfilledId,
  );
  if (isUnderWay || backfilled !== null || existing.has(scheduledId) || existing.has(backfilledId)) return 'ran';
  if (scheduled !== null && scheduled.status !== 'SKIPPED') return 'ran';
  return { runId: scheduled === null ? scheduledId : backfilledId, scheduledFor, origin };
}

function backfillId({ tenant, jobId }: Job, scheduledFor: number): string {
  return runIdOf({ tenant, jobId, trigger: 'backfill', cause: formatInstant(scheduledFor), scheduledFor });
}

function tooMany({ limit }: BackfillCommand, count: string): Applied {
  const message = `${count} occurrences have no run, and at most ${limit} are backfilled at once; choose a shorter range`;
  return { outcome: 'rejected', rejection: { code: 'invalid', message, field: 'to' } };
}
