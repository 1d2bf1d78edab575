/** The timer store in memory, for tests and the simulation: the behaviour of PostgreSQL's, on maps. */
import { BelfryError } from '../../core/errors.ts';
import { isOpen, isTerminal, type Job } from '../../core/model.ts';
import type {
  Arrival,
  EnqueuedCommand,
  JobRef,
  Known,
  PartitionStep,
  StoredRun,
  Subscribers,
  TimerRow,
  TimerStats,
  TimerStore,
} from '../../core/ports/timer-store.ts';
import { REJECTED_KEPT_MS } from '../../core/rejected-record.ts';
import { scheduledMsOf } from '../../core/run-id.ts';
import type { Maintained, SystemJob } from '../../core/system-jobs.ts';
import { isUrgent, jobKey } from '../../core/topics.ts';
import type { MemoryDatabase, RunEntry } from './database.ts';
import { assertEdges } from './timer-edges.ts';
import { assertStorable, assertText, assertUuid } from './storable.ts';
import { applyStep, isAccepted } from './timer-step.ts';

const OVERDUE_AFTER_MS = 1_000;
const DAY_MS = 86_400_000;
const REMEMBER_COMMANDS_MS = DAY_MS + 3_600_000;
const NO_OFFSETS = { commands: 0n, retry: 0n, completed: 0n };

export class MemoryTimerStore implements TimerStore {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  async databaseNow(): Promise<number> {
    return this.db.now();
  }

  async take(partition: number, instance: string): ReturnType<TimerStore['take']> {
    if (partition < 0 || partition >= this.db.partitions) {
      throw new BelfryError('unknown_partition', `Partition ${partition} is not one of this database's.`, {
        ids: { partition },
      });
    }
    const former = this.db.owners.get(partition) ?? { epoch: 0, offsets: NO_OFFSETS, outboxSeq: 0 };
    const owner = { ...former, epoch: former.epoch + 1, instance };
    this.db.owners.set(partition, owner);
    const { epoch, offsets, outboxSeq } = owner;
    const outbox = [...(this.db.outbox.get(partition) ?? [])];
    const waiting = this.db.waiting.filter((row) => row.partition === partition);
    return { ownership: { partition, epoch, offsets, outboxSeq }, outbox, waiting };
  }

  async step(steps: readonly PartitionStep[]): Promise<ReadonlySet<number>> {
    for (const step of steps) assertStorable(step);
    const accepted = steps.filter((step) => isAccepted(this.db.owners.get(step.partition), step));
    assertEdges(this.db, accepted);
    for (const step of accepted) applyStep(this.db, this.db.owners.get(step.partition)!, step);
    return new Set(accepted.map(({ partition }) => partition));
  }

  async timers(
    partitions: readonly number[],
    before: number,
    limit: number,
    exceptOf: readonly string[] = [],
  ): Promise<TimerRow[]> {
    return this.firstTimers(partitions, before, limit, (all) =>
      exceptOf.length === 0 ? all : all.filter(({ tenant }) => !exceptOf.includes(tenant)),
    );
  }

  async urgentTimers(partitions: readonly number[], before: number, limit: number): Promise<TimerRow[]> {
    return this.firstTimers(partitions, before, limit, (all) => all.filter(({ topic }) => isUrgent(topic)));
  }

  async retryTimers(jobs: readonly JobRef[]): Promise<TimerRow[]> {
    for (const { tenant, jobId } of jobs) assertText(tenant, jobId);
    const keys = new Set(jobs.map(({ tenant, jobId }) => jobKey(tenant, jobId)));
    const timers = [...this.db.timers.values()].flat();
    return timers.filter(({ kind, tenant, jobId }) => kind === 'retry' && keys.has(jobKey(tenant, jobId)));
  }

  async waitingRuns(runs: Parameters<TimerStore['waitingRuns']>[0]): ReturnType<TimerStore['waitingRuns']> {
    const timers = runs.flatMap(({ partition, runId }) => {
      const at = scheduledMsOf(runId);
      const rows = this.db.timers.get(partition) ?? [];
      return rows.filter((row) => row.kind === 'run' && row.runId === runId && row.fireAt === at);
    });
    const parked = runs.filter(({ runId, tenant, jobId }) => {
      const due = this.db.parked.get(runId)?.due;
      return due?.tenant === tenant && due.jobId === jobId;
    });
    return { timers, parked: new Set(parked.map(({ runId }) => runId)) };
  }

  async cancelledRuns(runIds: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(runIds.filter((runId) => this.db.cancelledRuns.has(runId)));
  }

  async read(jobs: readonly JobRef[], commands: readonly (JobRef & { commandId: string })[]): Promise<Known> {
    const found = new Map<string, Job>();
    for (const { tenant, jobId, commandId } of commands) assertText(tenant, jobId, commandId);
    for (const { tenant, jobId } of jobs) {
      assertText(tenant, jobId);
      const job = this.db.jobs.get(jobKey(tenant, jobId));
      const downstreams = this.db.downstreamsOf({ tenant, jobId });
      if (job !== undefined) found.set(jobKey(tenant, jobId), downstreams.length === 0 ? job : { ...job, downstreams });
    }
    const keys = commands.map(({ tenant, jobId, commandId }) => `${jobKey(tenant, jobId)}/${commandId}`);
    return { jobs: found, seen: new Set(keys.filter((key) => this.db.seenCommands.has(key))) };
  }

  async enqueued(partitions: readonly number[], limit: number, maxBytes: number): Promise<EnqueuedCommand[]> {
    return [...partitions].flatMap((partition) => {
      let bytes = 0;
      const rows = this.db.enqueued.filter((row) => row.partition === partition).slice(0, limit);
      return rows.filter(({ command }) => {
        const before = bytes;
        bytes += Buffer.byteLength(command);
        return before < maxBytes;
      });
    });
  }

  async downstreams(jobs: readonly JobRef[]): ReturnType<TimerStore['downstreams']> {
    for (const { tenant, jobId } of jobs) assertText(tenant, jobId);
    const entries = jobs.map((job) => [jobKey(job.tenant, job.jobId), this.db.downstreamsOf(job)] as const);
    return new Map(entries.filter(([, downstreams]) => downstreams.length > 0));
  }

  async arrivals(ended: readonly (JobRef & { runId: string })[]): Promise<Arrival[]> {
    for (const { tenant, jobId, runId } of ended) {
      assertText(tenant, jobId);
      assertUuid(runId);
    }
    const all = [...this.db.arrivals.values()];
    const found = all.filter((arrival) =>
      ended.some(({ tenant, jobId, runId }) => {
        if (arrival.tenant !== tenant || arrival.jobId !== jobId) return false;
        if (arrival.runId === runId || (arrival.setId === null && !arrival.superseded)) return true;
        const replayOf = this.db.runs.get(runId)?.replayOf;
        const original = this.db.arrivals.get(`${jobKey(tenant, jobId)}/${replayOf}`);
        return original !== undefined && (arrival === original || arrival.setId === (original.setId ?? ''));
      }),
    );
    return found.map(({ arrivedAt: _, ...arrival }) => arrival);
  }

  async countListeners(events: readonly { tenant: string; event: string }[], most: number): Promise<number[]> {
    for (const { tenant, event } of events) assertText(tenant, event);
    const all = [...this.db.subscriptions.values()];
    return events.map(({ tenant, event }) =>
      Math.min(most, all.filter((each) => each.tenant === tenant && each.event === event).length),
    );
  }

  async subscribers(
    events: readonly { tenant: string; event: string; after: string }[],
    limit: number,
  ): Promise<Subscribers[]> {
    return events.map(({ tenant, event, after }) => {
      assertText(tenant, event, after);
      const all = [...this.db.subscriptions.values()]
        .filter((each) => each.tenant === tenant && each.event === event && each.jobId > after)
        .sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
      const subscribers = all.slice(0, limit).map(({ jobId, filter }) => ({ jobId, filter }));
      return { subscribers, isAll: all.length <= limit };
    });
  }

  async runs(runIds: readonly string[]): Promise<ReadonlyMap<string, StoredRun>> {
    assertUuid(...runIds);
    const entries = runIds.flatMap((runId) => this.db.runs.get(runId) ?? []);
    return new Map(entries.map((entry) => [entry.runId, this.storedRunOf(entry)]));
  }

  async endedActive(partition: number, before: number, limit: number): ReturnType<TimerStore['endedActive']> {
    const jobs = [...this.db.jobs.values()].filter((job) => job.partition === partition);
    const ended = jobs.flatMap(({ tenant, jobId, active }) =>
      active.flatMap(({ runId, since }) => {
        const run = this.db.runs.get(runId);
        if (since >= before || run === undefined || !isTerminal(run.status)) return [];
        return [{ job: { tenant, jobId }, runId, finishedAt: run.finishedAt as number }];
      }),
    );
    return ended.slice(0, limit);
  }

  async stats(partitions: readonly number[]): Promise<TimerStats> {
    const timers = partitions.flatMap((partition) => this.db.timers.get(partition) ?? []);
    const overdue = timers.filter(({ fireAt }) => fireAt < this.db.now() - OVERDUE_AFTER_MS);
    return {
      overdue: overdue.length,
      oldestOverdueAt: overdue.length === 0 ? null : Math.min(...overdue.map(({ fireAt }) => fireAt)),
      timers: timers.length,
      outboxDepth: partitions.reduce((sum, partition) => sum + (this.db.outbox.get(partition)?.length ?? 0), 0),
      oldestSnapshotAgeMs: 0,
    };
  }

  async isShared(): Promise<boolean> {
    return new Set([...this.db.jobs.values()].map(({ tenant }) => tenant)).size > 1;
  }

  async maintain(now: number, historyMs: number, signal?: AbortSignal): Promise<Maintained> {
    signal?.throwIfAborted();
    const { runs, jobs, seenCommands, replays, arrivals } = this.db;
    const before = now - historyMs;
    const keptFrom = (tenant: string): number => {
      const days = this.db.tenants.get(tenant)?.historyDays ?? Infinity;
      return Math.max(before, now - days * DAY_MS);
    };
    this.db.audit = this.db.audit.filter(({ tenant, at }) => at >= keptFrom(tenant));
    this.db.rejected = this.db.rejected.filter(({ at }) => at >= now - REJECTED_KEPT_MS);
    const firstDayKept = before - (before % DAY_MS);
    for (const run of runs.values()) {
      if (isTerminal(run.status) && scheduledMsOf(run.runId) < firstDayKept) runs.delete(run.runId);
    }
    for (const [key, job] of jobs) {
      if (!isOpen(job) && job.updatedAt < keptFrom(job.tenant) && job.active.length === 0) jobs.delete(key);
    }
    for (const [runId, at] of this.db.cancelledRuns) if (at < before) this.db.cancelledRuns.delete(runId);
    for (const [key, seenAt] of seenCommands) if (seenAt < now - REMEMBER_COMMANDS_MS) seenCommands.delete(key);
    for (const [key, { tenant, runId, arrivedAt }] of arrivals) {
      if (arrivedAt < keptFrom(tenant) && !runs.has(runId)) arrivals.delete(key);
    }
    for (const original of replays.keys()) {
      if (scheduledMsOf(original) < firstDayKept && !runs.has(original)) replays.delete(original);
    }
    return { made: [], dropped: [] }; // there are no days here: all is one table
  }

  async reportSystemJob(job: Omit<SystemJob, 'changedAt'>): Promise<void> {
    const former = this.db.systemJobs.get(job.name);
    const changed = job.changed ?? former?.changed ?? null;
    const changedAt = job.changed === null ? (former?.changedAt ?? null) : job.lastRunAt;
    this.db.systemJobs.set(job.name, { ...job, changed, changedAt });
  }

  private storedRunOf(entry: RunEntry): StoredRun {
    const { runId, tenant, jobId, status, finishedAt, scheduledFor, idempotencyKey, due } = entry;
    const { result, resultTruncated, error, replayOf } = entry;
    const replays = [...(this.db.replays.get(runId) ?? [])].sort();
    return {
      ...{ runId, tenant, jobId, status, finishedAt, scheduledFor, idempotencyKey, due },
      ...{ result, resultTruncated, error, replayOf },
      replays: replays.map((replay) => this.db.runs.get(replay)?.status ?? 'ENQUEUED'),
    };
  }

  private firstTimers(
    partitions: readonly number[],
    before: number,
    limit: number,
    choose: (all: readonly TimerRow[]) => readonly TimerRow[],
  ): TimerRow[] {
    return [...partitions]
      .sort((a, b) => a - b)
      .flatMap((partition) => {
        const timers = choose(this.db.timers.get(partition) ?? []).slice(0, limit);
        const end = timers.findIndex(({ fireAt }) => fireAt >= before);
        return end < 0 ? timers : timers.slice(0, end);
      });
  }
}
