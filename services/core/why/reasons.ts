/** Reasons and error codes in words: what they mean, and what to do. */
import type { Job, SkipReason } from '../model.ts';
import { deadlineMsOf } from '../occurrences/due.ts';
import { isOneShot } from '../occurrences/schedule.ts';
import type { RunSummary } from '../ports/inspect.ts';
import { span, time } from './words.ts';

type Told = { answer: string; advice: string | null };

/** Why an occurrence was skipped. */
export function skipped(run: RunSummary, job: Job | undefined): Told {
  const explained = SKIPPED[run.reason as SkipReason];
  return explained === undefined ? { answer: `it was skipped: ${run.reason}`, advice: null } : explained(run, job);
}

const SKIPPED: Readonly<Record<SkipReason, (run: RunSummary, job: Job | undefined) => Told>> = {
  overlap: (_run, job) => ({
    answer: `a run before it was still going, and the job's overlap policy is ${job?.spec.overlap ?? 'skip'}`,
    advice:
      'Make runs shorter or rarer, or choose another policy: overlap buffer_one lets one run wait, allow lets both run.',
  }),
  missed: (run, job) => ({
    answer: `nobody decided it in time: it was ${span((run.finishedAt ?? run.scheduledFor) - run.scheduledFor)} late when a timer came to it${missedText(job)}`,
    advice: `No timer ran then, or Kafka or PostgreSQL was away. ${backfill(run, job)}`,
  }),
  paused: (run, job) => ({ answer: 'the job was paused when its time came', advice: backfill(run, job) }),
  excluded: (_run, job) => ({
    answer: `its day is excluded by the schedule${excludeText(job)}`,
    advice: 'To have it run on such days, schedule the job without the day in exclude.',
  }),
  upstream: (run) => ({
    answer: `a run that it comes after ended otherwise than the chain wants: ${run.cause}`,
    advice: `Look at that run (belfry runs show), and replay it: when it ends as wanted, the chain goes on.`,
  }),
  quota: () => ({
    answer: 'a quota of the tenant was used up',
    advice: 'See belfry tenants show, and ask whoever runs the deployment for more.',
  }),
};

function missedText(job: Job | undefined): string {
  if (job === undefined) return '';
  const { schedule, missed } = job.spec;
  const { policy, thresholdMs, limit } = missed;
  if (isOneShot(schedule)) {
    const deadlineMs = deadlineMsOf(missed);
    return deadlineMs === null ? '' : `; the job may be ${span(deadlineMs)} late (missed: ${policy})`;
  }
  const kept = { skip: 'none of them', once: 'only the latest', all: `the latest ${limit}` }[policy];
  return `; of those missed by more than ${span(thresholdMs)} the job runs ${kept} (missed: ${policy})`;
}

function excludeText(job: Job | undefined): string {
  if (job === undefined || !('exclude' in job.spec.schedule) || job.spec.schedule.exclude.length === 0) return '';
  return ` (${job.spec.schedule.exclude.join(', ')}, ${job.spec.schedule.timezone})`;
}

/** Only occurrences of these can be run later. */
function backfill({ jobId, scheduledFor, to }: RunSummary, job: Job | undefined): string {
  const kind = job?.spec.schedule.kind;
  if (kind !== 'cron' && kind !== 'every') return 'To run it all the same: belfry jobs trigger.';
  const until = (to ?? scheduledFor) + 1;
  return `To run it now: belfry jobs backfill ${jobId} --from ${time(scheduledFor)} --to ${time(until)}`;
}

/** What to do about a run that failed. */
export function failureAdvice({ runId, error, handler, queue }: RunSummary): string {
  const replay = `belfry dlq replay ${runId} runs it again, under the same idempotency key.`;
  const first: Readonly<Record<string, string>> = {
    handler_not_found: `No executor of the queue ${queue} had the handler ${handler} for five minutes: deploy one that has it.`,
    timeout: 'It took longer than its timeout: give the job a longer one, or make the work smaller.',
    lost: 'Its worker died or froze three times in it: look for what ends the process, such as memory.',
    payload_invalid: "The payload does not fit the handler's schema: correct the job.",
    address_denied: 'The address is private: BELFRY_HTTP_ALLOW must list it.',
    secret_not_found: 'The executors have no such secret in BELFRY_SECRETS_DIR.',
    secret_denied: 'The secret is bound to other hosts: correct the URL of the job, or the hosts of the secret.',
    publish_failed: 'Kafka refused the message for good: see the error.',
  };
  return [first[error?.code ?? ''] ?? 'Mend what the error says.', replay].join(' ');
}
