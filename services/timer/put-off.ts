/**
 * A message whose topic is denied to Belfry, moved aside: it leaves its row of the outbox and becomes a timer, so that the lane goes on
 * for everybody else, and is tried again from there; after five minutes it has failed.
 *
 * The mark says that the message left that row: a new owner that finds the row again must not publish from it what comes by the
 * timer. Both are written by one step, and marks are kept for a day, rows for seconds.
 */
import type { JobRef, TimerRow } from '../core/ports/timer-store.ts';
import type { DueRecord } from '../core/records.ts';

const FIRST_MS = 5_000;
const LONGEST_MS = 60_000;
const GIVE_UP_AFTER_MS = 5 * 60_000;

/** `deniedSince`, ms: the first try of it that was denied. */
export type DeniedDue = DueRecord & { deniedSince?: number };
export type PutOff = { timer: TimerRow; mark: JobRef & { commandId: string } };

/** Waits as long again as it has waited already, 5 s to a minute. @returns undefined: it has waited long enough */
export function putOff(due: DeniedDue, partition: number, seq: number, now: number): PutOff | undefined {
  const { tenant, jobId, runId, deniedSince = now } = due;
  const waitedMs = now - deniedSince;
  if (waitedMs >= GIVE_UP_AFTER_MS) return undefined;
  const fireAt = now + Math.min(Math.max(waitedMs, FIRST_MS), LONGEST_MS);
  const kept = JSON.stringify({ ...due, deniedSince });
  return {
    timer: { partition, fireAt, runId, kind: 'retry', tenant, jobId, topic: '', due: kept },
    mark: markOf(due, seq),
  };
}

/** No job has a slash in its id: no command of a job is meant by it. */
export function markOf({ tenant, jobId, runId }: DueRecord, seq: number): PutOff['mark'] {
  return { tenant, jobId: `${jobId}/put-off`, commandId: `${seq}/${runId}` };
}

/** As it was before. */
export function withoutDenial({ deniedSince: _, ...due }: DeniedDue): DueRecord {
  return due;
}
