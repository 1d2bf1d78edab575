/** A step of the timer on the memory database: the same effects in the same order as the SQL function `step`. */
import type { DecidedRun, Offsets, PartitionStep } from '../../core/ports/timer-store.ts';
import { storedText } from '../../core/stored-text.ts';
import { jobKey } from '../../core/topics.ts';
import type { MemoryDatabase, OwnerEntry, RunEntry } from './database.ts';
import { addTimer, removeTimer } from './timer-queue.ts';

/** Whether the fence lets this step pass. */
export function isAccepted(owner: OwnerEntry | undefined, step: PartitionStep): owner is OwnerEntry {
  return owner !== undefined && owner.epoch === step.epoch && sameOffsets(owner.offsets, step.offsets);
}

function sameOffsets(a: Offsets, b: Offsets): boolean {
  return a.commands === b.commands && a.retry === b.retry && a.completed === b.completed;
}

export function applyStep(db: MemoryDatabase, owner: OwnerEntry, step: PartitionStep): void {
  const { partition } = step;
  owner.offsets = step.nextOffsets;
  owner.outboxSeq = step.outboxSeq;

  const produced = new Set(step.producedSeqs);
  const left = (db.outbox.get(partition) ?? []).filter(({ seq }) => !produced.has(seq));
  db.outbox.set(
    partition,
    [...left, ...step.outbox].sort((a, b) => a.seq - b.seq),
  );

  const decided = new Set(step.enqueued);
  if (decided.size > 0) db.enqueued = db.enqueued.filter((row) => row.partition !== partition || !decided.has(row.id));

  const gone = new Set(step.waited);
  if (gone.size > 0) db.waiting = db.waiting.filter((row) => row.partition !== partition || !gone.has(row.seq));
  db.waiting.push(...step.waits);

  const timers = db.timers.get(partition) ?? [];
  db.timers.set(partition, timers);
  for (const key of step.removeTimers) removeTimer(timers, key);
  for (const timer of step.addTimers) addTimer(timers, timer);

  applyJobs(db, step);
  for (const subscription of step.subscriptions) {
    const key = jobKey(subscription.tenant, subscription.jobId);
    if (subscription.event === null) db.subscriptions.delete(key);
    else db.subscriptions.set(key, subscription);
  }
  for (const run of step.runs) if (!db.runs.has(run.outcome.runId)) db.runs.set(run.outcome.runId, runEntryOf(run));
  for (const { tenant, jobId, commandId } of step.seenCommands) {
    const key = `${jobKey(tenant, jobId)}/${commandId}`;
    if (!db.seenCommands.has(key)) db.seenCommands.set(key, db.now());
  }
  for (const edges of step.edges) {
    const key = jobKey(edges.tenant, edges.jobId);
    if (edges.upstreams.length === 0) db.edges.delete(key);
    else db.edges.set(key, edges);
  }
  for (const arrival of step.arrivals) {
    const key = `${jobKey(arrival.tenant, arrival.jobId)}/${arrival.runId}`;
    db.arrivals.set(key, { ...arrival, arrivedAt: db.arrivals.get(key)?.arrivedAt ?? db.now() });
  }
  for (const entry of step.audit) db.appendAudit(entry);
  db.indexRejected(step.rejected);
  for (const runId of step.cancelledRuns) if (!db.cancelledRuns.has(runId)) db.cancelledRuns.set(runId, db.now());
  for (const { original, replay } of step.replays) {
    db.replays.set(original, (db.replays.get(original) ?? new Set()).add(replay));
  }
}

function applyJobs(db: MemoryDatabase, step: PartitionStep): void {
  for (const { tenant, jobId } of step.finished) {
    const job = db.jobs.get(jobKey(tenant, jobId));
    if (job?.state !== 'SCHEDULED') continue;
    const finished = { ...job, state: 'FINISHED', nextAt: null, nextFireAt: null, updatedAt: db.now() } as const;
    db.jobs.set(jobKey(tenant, jobId), finished);
  }
  for (const { downstreams: _, ...job } of step.jobs) {
    const key = jobKey(job.tenant, job.jobId);
    const stored = db.jobs.get(key);
    db.jobs.set(key, stored?.version === job.version ? { ...job, spec: stored.spec } : job);
  }
}

function runEntryOf({ outcome, idempotencyKey, due }: DecidedRun): RunEntry {
  const { runId, tenant, jobId, status, scheduledFor, startedAt, finishedAt, attempt, worker } = outcome;
  const { result, resultTruncated, error, reason, replayOf } = outcome;
  return {
    ...{ runId, tenant, jobId, status, scheduledFor, startedAt, finishedAt, attempt, worker },
    ...{ result, resultTruncated, reason, replayOf, idempotencyKey, due },
    error: error === null ? null : { ...error, message: storedText(error.message) },
    ...{ token: 0, lost: 0, executor: null, nonce: null, retryAt: null, progress: null },
  };
}
