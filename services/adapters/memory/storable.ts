/** What PostgreSQL can keep: the memory database refuses the rest with the same error, so that tests and the simulation meet it. */
import { BelfryError } from '../../core/errors.ts';
import type { PartitionStep } from '../../core/ports/timer-store.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const INT4_MAX = 2 ** 31 - 1;

/** @throws BelfryError `bad_data` for NUL and halves of surrogate pairs; null is fine */
export function assertText(...values: readonly (string | null | undefined)[]): void {
  for (const value of values) if (typeof value === 'string' && !isText(value)) throw refused(value);
}

/** @throws BelfryError `bad_data` */
export function assertUuid(...values: readonly (string | null)[]): void {
  for (const value of values) if (value !== null && !UUID.test(value)) throw refused(value);
}

function assertInt4(...values: readonly number[]): void {
  for (const value of values) {
    if (!Number.isInteger(value) || value > INT4_MAX || value < -INT4_MAX - 1) throw refused(value);
  }
}

/** Times and counts: PostgreSQL's int8, of which JavaScript's numbers hold 53 bits. */
function assertInt8(...values: readonly (number | bigint | null)[]): void {
  for (const value of values) {
    const fits = typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value);
    if (value !== null && !fits) throw refused(value);
  }
}

function isText(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0');
}

function refused(value: unknown): BelfryError {
  return new BelfryError(
    'bad_data',
    `${typeof value === 'string' ? JSON.stringify(value) : String(value)} cannot be stored.`,
  );
}

/** @throws BelfryError `bad_data` */
export function assertStorable(step: PartitionStep): void {
  assertInt8(step.outboxSeq, ...Object.values(step.nextOffsets));
  for (const job of step.jobs) {
    assertText(job.tenant, job.jobId, job.state);
    assertInt4(job.version, job.cancelGen);
    assertInt8(job.anchorAt, job.nextAt, job.nextFireAt, job.runCount, job.pausedAt, job.createdAt, job.updatedAt);
  }
  for (const { tenant, jobId } of step.finished) assertText(tenant, jobId);
  for (const timer of step.addTimers) {
    assertUuid(timer.runId);
    assertInt8(timer.fireAt);
    assertText(timer.tenant, timer.jobId, timer.topic, timer.due, timer.kind);
  }
  for (const { runId, fireAt } of step.removeTimers) {
    assertUuid(runId);
    assertInt8(fireAt);
  }
  for (const run of step.runs) assertRun(run);
  for (const { tenant, jobId, commandId } of step.seenCommands) assertText(tenant, jobId, commandId);
  for (const { original, replay } of step.replays) assertUuid(original, replay);
  for (const { tenant, jobId, upstreams } of step.edges)
    assertText(tenant, jobId, ...upstreams.map((each) => each.jobId));
  for (const arrival of step.arrivals) {
    assertText(arrival.tenant, arrival.jobId, arrival.upstream);
    assertUuid(arrival.runId, arrival.setId);
    assertInt8(arrival.anchorAt);
  }
  for (const { tenant, jobId, missing, until } of step.waits) {
    assertText(tenant, jobId, ...missing);
    assertInt8(until);
  }
  for (const { tenant, jobId, event, filter } of step.subscriptions) assertText(tenant, jobId, event, filter);
}

function assertRun({ outcome, idempotencyKey, due }: PartitionStep['runs'][number]): void {
  assertUuid(outcome.runId, outcome.replayOf, idempotencyKey);
  assertText(outcome.tenant, outcome.jobId, outcome.type, outcome.handler, outcome.queue, outcome.status);
  assertText(outcome.trigger, outcome.cause, outcome.worker, outcome.error?.code, outcome.reason, due?.priority);
  assertInt4(outcome.jobVersion, outcome.attempt);
  const { scheduledFor, startedAt, finishedAt, count, from, to } = outcome;
  assertInt8(scheduledFor, startedAt, finishedAt, count, from, to);
}
