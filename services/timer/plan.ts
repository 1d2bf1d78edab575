/**
 * All that one step will do to one partition, while it is being decided: later inputs see what earlier ones did, and
 * the store sees only the end of it. A timer that is added and struck in the same step never reaches the store.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AuditEntry } from '../core/audit.ts';
import type { DuePlace, Records } from '../core/events.ts';
import { isOpen, type Job, type Upstream } from '../core/model.ts';
import { encodeOutbox } from '../core/outbox-codec.ts';
import type {
  Arrival,
  DecidedRun,
  Edges,
  JobRef,
  Offsets,
  OutboxBatch,
  PartitionStep,
  Subscription,
  TimerKey,
  TimerRow,
  WaitingCommand,
} from '../core/ports/timer-store.ts';
import type { OutgoingRecord } from '../core/records.ts';
import type { RejectedRecord } from '../core/rejected-record.ts';
import { jobKey } from '../core/topics.ts';
import type { Effects, Emission, EndedRun } from './effects.ts';
import { decodeExact, encodeExact, type ExactRun } from './exact-message.ts';
import type { PutOff } from './put-off.ts';

/** The fence of a step: what its owner knows. */
export type Fence = { partition: number; epoch: number; offsets: Offsets; outboxSeq: number };

/** Records of one outbox row, as the lane that produces them takes them. */
export type PlannedBatch = OutboxBatch & { records: readonly OutgoingRecord[]; runs: readonly ExactRun[] };

/** What is stored of what the inputs of this step concern. */
export type KnownToPlan = {
  jobs: ReadonlyMap<string, Job>;
  arrivals: readonly Arrival[];
  /** Of jobs that are not among `jobs`. */
  downstreams: ReadonlyMap<string, readonly string[]>;
};

/** Where the next due record of a tenant goes in a topic; counts it. */
export type PlaceOf = (tenant: string, topic: string) => DuePlace;

export class Plan {
  readonly fence: Fence;
  nextOffsets: Offsets;
  private readonly records: Records;
  private readonly now: number;
  private readonly placeOf: PlaceOf;
  private readonly known: KnownToPlan;
  private readonly jobs: Map<string, Job>;
  private readonly arrivals: Map<string, Arrival[]>;
  private readonly arrived = new Map<string, Arrival>();
  private readonly changed = new Set<string>();
  private readonly finished: JobRef[] = [];
  private readonly added = new Map<string, TimerRow>();
  private readonly removed = new Map<string, TimerKey>();
  private readonly runs = new Map<string, DecidedRun>();
  private readonly seen = new Map<string, JobRef & { commandId: string }>();
  private readonly replays: { original: string; replay: string }[] = [];
  private readonly plain: OutgoingRecord[] = [];
  /** By run. */
  private readonly exact = new Map<string, Emission>();
  private readonly audited: AuditEntry[] = [];
  private readonly left: TimerRow[] = [];
  private readonly rejected: RejectedRecord[] = [];
  /** Commands that wait from this step on. */
  readonly waiting: WaitingCommand[] = [];
  private readonly ended = new Set<number>();
  private readonly cancelled = new Set<string>();

  /** @param placeOf tells floods from usual load */
  constructor(fence: Fence, known: KnownToPlan, records: Records, now: number, placeOf: PlaceOf) {
    this.fence = fence;
    this.nextOffsets = fence.offsets;
    this.known = known;
    this.jobs = new Map(known.jobs);
    this.arrivals = Map.groupBy(known.arrivals, byJob);
    this.records = records;
    this.now = now;
    this.placeOf = placeOf;
  }

  job({ tenant, jobId }: JobRef): Job | undefined {
    return this.jobs.get(jobKey(tenant, jobId));
  }

  /** Takes over what an input did. */
  merge(effects: Effects): void {
    if (effects.job !== undefined) this.setJob(effects.job);
    for (const key of effects.removeTimers) this.removeTimer(key);
    for (const timer of effects.addTimers) this.addTimer(timer);
    for (const run of effects.ended) this.end(run);
    for (const emission of effects.dues) this.emit(emission);
    this.replays.push(...effects.replays);
    for (const arrival of effects.arrivals) this.arrive(arrival);
    for (const runId of effects.cancelledRuns) this.cancelled.add(runId);
  }

  /** Arrivals at a job, as far as they are known. */
  arrivalsOf(job: JobRef): readonly Arrival[] {
    return this.arrivals.get(byJob(job)) ?? [];
  }

  /** A one-shot whose job nobody read. */
  finish(ref: JobRef): void {
    this.finished.push(ref);
  }

  setJob(job: Job): void {
    const key = jobKey(job.tenant, job.jobId);
    this.jobs.set(key, job);
    this.changed.add(key);
  }

  addTimer(timer: TimerRow): void {
    this.added.set(placeOf(timer), timer);
  }

  removeTimer(key: TimerKey): void {
    this.added.delete(placeOf(key));
    this.removed.set(placeOf(key), key);
  }

  /** A timer fires: it is gone afterwards. */
  strike(timer: TimerRow): void {
    const isNew = this.added.delete(placeOf(timer));
    // A retry may have been heard of twice, and be stored already.
    if (!isNew || timer.kind === 'retry') this.removed.set(placeOf(timer), timer);
  }

  /** It was to be decided ahead of its time, and is left for that. */
  leave(timer: TimerRow): void {
    this.left.push(timer);
  }

  /** Whether the stored timer is gone; one that was added in its place is among the added ones. */
  isRemoved(key: TimerKey): boolean {
    return this.removed.has(placeOf(key));
  }

  /** Timers added in this step whose time has come, earliest first. */
  addedDue(): TimerRow[] {
    const due = [...this.added.values()].filter(({ fireAt }) => fireAt <= this.now);
    return due.sort((a, b) => a.fireAt - b.fireAt);
  }

  /** Waiting retries of a job that this step added. */
  addedRetries({ tenant, jobId }: JobRef): TimerRow[] {
    return [...this.added.values()].filter((t) => t.kind === 'retry' && t.tenant === tenant && t.jobId === jobId);
  }

  /** An acknowledgement, a rejection, a forwarded record. */
  write(record: OutgoingRecord): void {
    this.plain.push(record);
  }

  end({ run, tracked, traceparent, dead }: EndedRun): void {
    if (this.runs.has(run.outcome.runId)) return;
    this.runs.set(run.outcome.runId, run);
    this.plain.push(this.records.outcome(run.outcome, tracked, traceparent));
    if (dead !== null) this.plain.push(this.records.deadRun(dead));
    this.tellDownstreams(run.outcome);
  }

  /** A run whose outcome was published in the exact lane. */
  published(run: DecidedRun): void {
    this.runs.set(run.outcome.runId, run);
    this.tellDownstreams(run.outcome);
  }

  /** A run has ended: each job that runs after its job hears of it from the same outbox row. */
  tellDownstreams({ tenant, jobId, runId }: JobRef & { runId: string }): void {
    const job = this.job({ tenant, jobId });
    const downstreams = job === undefined ? this.known.downstreams.get(jobKey(tenant, jobId)) : job.downstreams;
    for (const downstream of downstreams ?? [])
      this.write(this.records.upstreamEnded(tenant, downstream, jobId, runId));
  }

  putOff({ timer, mark }: PutOff): void {
    this.addTimer(timer);
    this.remember(mark);
  }

  remember(ref: JobRef & { commandId: string }): void {
    this.seen.set(`${jobKey(ref.tenant, ref.jobId)}/${ref.commandId}`, ref);
  }

  remembers(ref: JobRef & { commandId: string }): boolean {
    return this.seen.has(`${jobKey(ref.tenant, ref.jobId)}/${ref.commandId}`);
  }

  /** Statuses of the replays of a run that this step has decided. */
  plannedReplays(original: string): string[] {
    return this.replays.filter((replay) => replay.original === original).map(() => 'ENQUEUED');
  }

  /**
   * @param producedSeqs outbox rows that were produced and can go
   * @param enqueued ids of the enqueued commands that are in this step
   * @param nextWaitSeq number of the first command that waits from now on
   */
  finishPlan(producedSeqs: readonly number[], enqueued: readonly number[], nextWaitSeq: number): PlannedStep {
    const { partition, outboxSeq } = this.fence;
    const batches: PlannedBatch[] = [];
    const batch = (lane: OutboxBatch['lane'], records: OutgoingRecord[]): void => {
      if (records.length === 0) return;
      const body = encodeOutbox(records);
      // Read back before it is stored: a row that cannot be read would stop its partition for good.
      const runs = lane === 'exact' ? decodeExact(body) : [];
      batches.push({ partition, seq: outboxSeq + batches.length, lane, body, records, runs });
    };
    batch('plain', this.plain);
    batch('exact', encodeExact([...this.exact.values()], this.now));
    const exactRunIds = [...this.exact.keys()];
    const step: PartitionStep = {
      ...this.fence,
      nextOffsets: this.nextOffsets,
      outboxSeq: outboxSeq + batches.length,
      jobs: [...this.changed].map((key) => this.jobs.get(key)!),
      finished: this.finished,
      addTimers: [...this.added.values()],
      removeTimers: [...this.removed.values()],
      runs: [...this.runs.values()],
      seenCommands: [...this.seen.values()],
      replays: this.replays,
      outbox: batches.map(({ partition, seq, lane, body }) => ({ partition, seq, lane, body })),
      producedSeqs,
      enqueued,
      waits: this.waiting.map((command, index) => ({ ...command, seq: nextWaitSeq + index })),
      waited: [...this.ended],
      edges: this.changedEdges(),
      arrivals: [...this.arrived.values()],
      subscriptions: this.subscriptions(),
      audit: this.audited,
      rejected: this.rejected,
      cancelledRuns: [...this.cancelled],
    };
    return { step, batches, exactRunIds, left: this.left };
  }

  /** The command waits; its number is given at the end. */
  wait(command: WaitingCommand): void {
    this.waiting.push(command);
  }

  /** A command that waited is decided. */
  waited(seq: number): void {
    this.ended.add(seq);
  }

  /** Whether a command that waited is decided. */
  hasEnded(seq: number): boolean {
    return this.ended.has(seq);
  }

  /** Whether commands of the job wait from this step on. */
  awaits({ tenant, jobId }: JobRef): boolean {
    return this.waiting.some((command) => command.tenant === tenant && command.jobId === jobId);
  }

  audit(entry: AuditEntry): void {
    this.audited.push(entry);
  }

  /** Notes in the index what is written to job.commands.rejected. */
  reject(rejected: RejectedRecord): void {
    this.rejected.push(rejected);
  }

  private arrive(arrival: Arrival): void {
    const others = this.arrivalsOf(arrival).filter(({ runId }) => runId !== arrival.runId);
    this.arrivals.set(byJob(arrival), [...others, arrival]);
    this.arrived.set(`${byJob(arrival)}/${arrival.runId}`, arrival);
  }

  private changedEdges(): Edges[] {
    const changed: Edges[] = [];
    for (const key of this.changed) {
      const job = this.jobs.get(key)!;
      const [before, upstreams] = [upstreamsOf(this.known.jobs.get(key)), upstreamsOf(job)];
      if (!isDeepStrictEqual(before, upstreams)) changed.push({ tenant: job.tenant, jobId: job.jobId, upstreams });
    }
    return changed;
  }

  /** Who listens to what follows from the jobs alone: it is written wherever it differs from what is stored. */
  private subscriptions(): Subscription[] {
    return [...this.changed].flatMap((key) => {
      const job = this.jobs.get(key)!;
      const [before, after] = [subscriptionOf(this.known.jobs.get(key)), subscriptionOf(job)];
      if (before?.event === after?.event && before?.filter === after?.filter) return [];
      return [after ?? { tenant: job.tenant, jobId: job.jobId, event: null, filter: null }];
    });
  }

  private emit(emission: Emission): void {
    const { topic, tenant, jobId, runId, due } = emission;
    // Of one step, two commands may each bring the run of one occurrence: executors claim it once, but readers would see two messages.
    if (topic !== '') {
      this.plain.push(this.records.due(topic, tenant, jobId, due, this.placeOf(tenant, topic)));
    } else if (!this.exact.has(runId)) {
      this.exact.set(runId, emission);
    }
  }
}

export type PlannedStep = {
  step: PartitionStep;
  batches: readonly PlannedBatch[];
  exactRunIds: readonly string[];
  /** Timers that are to be taken at their time, not before. */
  left: readonly TimerRow[];
};

/** A job that is over runs after nobody any more. */
function upstreamsOf(job: Job | undefined): readonly Upstream[] {
  return isOpen(job) && job.spec.schedule.kind === 'after' ? job.spec.schedule.after : [];
}

function byJob({ tenant, jobId }: JobRef): string {
  return jobKey(tenant, jobId);
}

function subscriptionOf(job: Job | undefined): Subscription | undefined {
  if (!isOpen(job)) return undefined;
  const { tenant, jobId, spec } = job;
  return spec.schedule.kind === 'on'
    ? { tenant, jobId, event: spec.schedule.event, filter: spec.schedule.filter }
    : undefined;
}

/** Of a timer within its partition. */
export function placeOf({ fireAt, runId }: Pick<TimerKey, 'fireAt' | 'runId'>): string {
  return `${fireAt} ${runId}`;
}
