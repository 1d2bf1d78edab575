/** The one validator of outcomes as Belfry itself reads them back from `job.completed`: by their headers, and by their value. */
import { EVENT_TYPES, TIMER_SOURCE, TRACKED_HEADER } from '../events.ts';
import type { ConsumedRecord, Outcome } from '../records.ts';
import { parseInstant } from '../spec/instant.ts';
import { JOB_ID, TENANT } from '../spec/names.ts';
import { parseJobKey } from '../topics.ts';
import {
  MAX_INT4,
  MAX_RECORD_DEPTH,
  firstProblem,
  isDeeperThan,
  isUuid,
  mapOf,
  objectOf,
  optional,
  range,
  text,
  time,
  uuid,
  word,
  type Rule,
} from './values.ts';

/** What the headers of an outcome say to its job's timer. */
export type OutcomeHead = {
  tenant: string;
  jobId: string;
  runId: string;
  /** Ms since the epoch. */
  finishedAt: number;
  /** A timer decided that outcome itself. */
  isTimers: boolean;
};

/**
 * Reads the headers of an outcome that a timer must hear of.
 * @returns undefined: nobody waits for it; a problem: somebody might, but it cannot be told for whom
 */
export function readOutcomeHead({ key, headers }: ConsumedRecord): OutcomeHead | { problem: string } | undefined {
  if (headers[TRACKED_HEADER] === undefined || headers.ce_type === EVENT_TYPES.SKIPPED) return undefined;
  const job = key === null ? undefined : parseJobKey(key.toString());
  if (job === undefined || !TENANT.holds(job.tenant) || !JOB_ID.holds(job.jobId))
    return { problem: 'its key is not that of a job' };
  const runId = headers.ce_subject;
  if (runId === undefined || !isUuid(runId)) return { problem: 'ce_subject is not the id of a run' };
  const finishedAt = parseInstant(headers.ce_time ?? '');
  if (finishedAt === undefined) return { problem: 'ce_time is not a time' };
  return { ...job, runId, finishedAt, isTimers: headers.ce_source === TIMER_SOURCE };
}

const NAME = text(512);
const RULES: readonly (readonly [string, Rule])[] = Object.entries({
  eventId: NAME,
  runId: uuid,
  tenant: { allowed: TENANT.allowed, holds: (value: unknown) => typeof value === 'string' && TENANT.holds(value) },
  jobId: { allowed: JOB_ID.allowed, holds: (value: unknown) => typeof value === 'string' && JOB_ID.holds(value) },
  jobVersion: range(0, MAX_INT4),
  type: word,
  handler: NAME,
  queue: NAME,
  status: word,
  trigger: word,
  cause: text(16 * 1024),
  scheduledFor: time,
  startedAt: optional(time),
  finishedAt: time,
  attempt: range(0, MAX_INT4),
  worker: text(4_096),
  error: optional(objectOf({ code: NAME, message: text(64 * 1024) })),
  reason: optional(word),
  from: optional(time),
  to: optional(time),
  replayOf: optional(uuid),
  labels: mapOf(text(4_096)),
});

/**
 * What is wrong with a decoded outcome: beyond the shape, that no reader can stumble over its times, ids and sizes.
 * @returns a sentence; undefined: nothing
 */
export function outcomeProblem(outcome: Outcome): string | undefined {
  const problem = firstProblem(outcome, RULES);
  if (problem !== undefined) return problem;
  return isDeeperThan(MAX_RECORD_DEPTH, outcome.result)
    ? `result is nested deeper than ${MAX_RECORD_DEPTH} levels`
    : undefined;
}
