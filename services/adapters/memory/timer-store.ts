/** The timer store in memory, for tests and the simulation: the behaviour of PostgreSQL's, on maps. */
import { BelfryError } from '../../core/errors.ts';
import { TERMINAL_STATUSES, type Job } from '../../core/model.ts';
import type {
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
import { scheduledMsOf } from '../../core/run-id.ts';
import { jobKey } from '../../core/topics.ts';
import type { MemoryDatabase, RunEntry } from './database.ts';
import { applyStep, assertStorable, isAccepted } from './timer-step.ts';

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
    return { ownership: { partition, epoch, offsets, outboxSeq }, outbox: [...(this.db.outbox.get(partition) ?? [])] };
  }

  async step(steps: readonly PartitionStep[]): Promise<ReadonlySet<number>> {
    for (const step of steps) assertStorable(step);
    const accepted = new Set<number>();
    for (const step of steps) {
      const owner = this.db.owners.get(step.partition);
      if (!isAccepted(owner, step)) continue;
      applyStep(this.db, owner, step);
      accepted.add(step.partition);
    }
    return accepted;
  }

  async timers(
    partitions: readonly number[],
    before: number,
    limit: number,
    exceptOf: readonly string[] = [],
  ): Promise<TimerRow[]> {
    return [...partitions]
      .sort((a, b) => a - b)
      .flatMap((partition) => {
        const all = this.db.timers.get(partition) ?? [];
        const timers = exceptOf.length === 0 ? all : all.filter(({ tenant }) => !exceptOf.includes(tenant));
        const end = timers.slice(0, limit).findIndex(({ fireAt }) => fireAt >= before);
        return timers.slice(0, end < 0 ? limit : end);
      });
  }

  async retryTimers({ tenant, jobId }: JobRef): Promise<TimerRow[]> {
    const timers = [...this.db.timers.values()].flat();
    return timers.filter((timer) => timer.kind === 'retry' && timer.tenant === tenant && timer.jobId === jobId);
  }

  async read(jobs: readonly JobRef[], commands: readonly (JobRef & { commandId: string })[]): Promise<Known> {
    const found = new Map<string, Job>();
    for (const { tenant, jobId } of jobs) {
      const job = this.db.jobs.get(jobKey(tenant, jobId));
      if (job !== undefined) found.set(jobKey(tenant, jobId), job);
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

  async subscribers(
    events: readonly { tenant: string; event: string; after: string }[],
    limit: number,
  ): Promise<Subscribers[]> {
    return events.map(({ tenant, event, after }) => {
      const all = [...this.db.subscriptions.values()]
        .filter((each) => each.tenant === tenant && each.event === event && each.jobId > after)
        .sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
      const subscribers = all.slice(0, limit).map(({ jobId, filter }) => ({ jobId, filter }));
      return { subscribers, isAll: all.length <= limit };
    });
  }

  async runs(runIds: readonly string[]): Promise<ReadonlyMap<string, StoredRun>> {
    const entries = runIds.flatMap((runId) => this.db.runs.get(runId) ?? []);
    return new Map(entries.map((entry) => [entry.runId, this.storedRunOf(entry)]));
  }

  async endedActive(partition: number, before: number): ReturnType<TimerStore['endedActive']> {
    const jobs = [...this.db.jobs.values()].filter((job) => job.partition === partition);
    return jobs.flatMap(({ tenant, jobId, active }) =>
      active.flatMap(({ runId, since }) => {
        const run = this.db.runs.get(runId);
        if (since >= before || run === undefined || !isTerminal(run)) return [];
        return [{ job: { tenant, jobId }, runId, finishedAt: run.finishedAt as number }];
      }),
    );
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

  async maintain(now: number, historyMs: number): Promise<void> {
    const { runs, jobs, seenCommands, replays } = this.db;
    const before = now - historyMs;
    const firstDayKept = before - (before % DAY_MS);
    for (const run of runs.values()) {
      if (isTerminal(run) && scheduledMsOf(run.runId) < firstDayKept) runs.delete(run.runId);
    }
    for (const [key, { state, updatedAt, active }] of jobs) {
      const ended = state === 'FINISHED' || state === 'CANCELLED';
      if (ended && updatedAt < before && active.length === 0) jobs.delete(key);
    }
    for (const [key, seenAt] of seenCommands) if (seenAt < now - REMEMBER_COMMANDS_MS) seenCommands.delete(key);
    for (const original of replays.keys()) {
      if (scheduledMsOf(original) < firstDayKept && !runs.has(original)) replays.delete(original);
    }
  }

  private storedRunOf(entry: RunEntry): StoredRun {
    const { runId, tenant, jobId, status, finishedAt, scheduledFor, idempotencyKey, due } = entry;
    const replays = [...(this.db.replays.get(runId) ?? [])].sort();
    return {
      ...{ runId, tenant, jobId, status, finishedAt, scheduledFor, idempotencyKey, due },
      replays: replays.map((replay) => this.db.runs.get(replay)?.status ?? 'ENQUEUED'),
    };
  }
}

function isTerminal({ status }: RunEntry): boolean {
  return (TERMINAL_STATUSES as readonly string[]).includes(status);
}
