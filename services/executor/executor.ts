/**
 * The executor: intake → backlog → claim → run → settle → publish, one file a stage; this one joins them.
 *
 * Invariant: a run moves through the stages in this order only, and its task is known to the backlog until the end, so
 * that no two of its attempts overlap here and nothing that was read is forgotten.
 */
import type { Settled } from '../core/ports/run-store.ts';
import type { ConsumedRecord, DueRecord } from '../core/records.ts';
import { Backlog } from './backlog.ts';
import { Claimer } from './claim.ts';
import { Undertaker } from './dead-leases.ts';
import type { ExecutorDeps, ExecutorStats } from './deps.ts';
import type { Handler } from './handlers/handler.ts';
import { Heartbeat } from './heartbeat.ts';
import { InHand } from './in-hand.ts';
import { Incarnations } from './incarnation.ts';
import { Intake } from './intake.ts';
import { NO_METRICS, type ExecutorMetrics } from './metrics.ts';
import { recordsOf, recordsOfRefused, recordsOfRow, settlementOf } from './outcome.ts';
import { Parking } from './parked.ts';
import { Partitions } from './partitions.ts';
import { Places } from './places.ts';
import { DEFAULT_PACES } from './paces.ts';
import { policyOf, type RunPolicy } from './policy.ts';
import { Publisher } from './publish.ts';
import { Rejects } from './rejects.ts';
import { repeat, type Repetition } from './repeat.ts';
import { Attempt, type AttemptDeps, type Verdict } from './run.ts';
import { Running } from './running.ts';
import { Settler, type Settling } from './settle.ts';
import { Slots } from './slots.ts';
import { Task, sizeOf, type Holding, type OwnedRun, type Source } from './task.ts';

const MOST_UNFINISHED = 5_000;
const MOST_UNFINISHED_BYTES = 64 * 1024 * 1024;
/** Looking for parked runs, for others that are free, and for limits: of one beat, so that it wakes an idle process once. */
const LOOK_EVERY_MS = 200;
const THOROUGH_EVERY = 25;
const SWEEP_EVERY_MS = 2_000;
/** How long each step of a stop waits at most for servers that may be away. */
const PATIENCE_AT_STOP_MS = 3_000;

export class Executor {
  private readonly deps: ExecutorDeps;
  private readonly metrics: ExecutorMetrics;
  private readonly partitions = new Partitions();
  private readonly running = new Running();
  private readonly inHand = new InHand();
  private readonly abandoned = new Set<Attempt>();
  private readonly attemptDeps: AttemptDeps;
  private readonly slots: Slots;
  private readonly backlog: Backlog;
  private readonly incarnations: Incarnations;
  private readonly places: Places;
  private readonly intake: Intake;
  private readonly claimer: Claimer;
  private readonly settler: Settler;
  private readonly publisher: Publisher;
  private readonly parking: Parking;
  private readonly heartbeat: Heartbeat;
  private loops: Repetition[] = [];
  private taking: Repetition | undefined;
  private foundParked = false;
  private stopping = false;
  private closed = false;

  constructor(deps: ExecutorDeps) {
    this.deps = deps;
    this.metrics = deps.metrics ?? NO_METRICS;
    this.attemptDeps = { ...deps, abandoned: this.abandoned };
    const { partitions, running, metrics } = this;
    const { records, handlers, queue, worker, prefix } = deps;
    const onFatal = (error: unknown): void => this.fatal(error);
    const goOn = (): boolean => !this.closed;
    const onReleased = (): void => this.moved();
    const slots = (this.slots = new Slots(deps.slots, handlers));
    const { inHand } = this;
    const backlog = (this.backlog = new Backlog(deps.clock, inHand, () => this.claimer.pump()));
    const incarnations = (this.incarnations = new Incarnations({
      ...deps,
      identity: { worker, queue, handlers: [...handlers.keys()] },
      transactionalIdOf: (executor) => `${prefix}belfry-executor-${executor}`,
      onBegan: () => this.claimer.pump(),
      onDied: (dead) => {
        metrics.leaseLost();
        running.abort('lost_lease', ({ owned }) => owned.incarnation === dead);
      },
      onFatal,
    }));
    const places = (this.places = new Places({ ...deps, onWoken: () => this.taking?.wake(), onFatal, goOn }));
    const undertaker = new Undertaker({ ...deps, goOn });
    const shared = {
      ...deps,
      paces: deps.paces ?? DEFAULT_PACES,
      metrics,
      backlog,
      inHand,
      slots,
      incarnations,
      undertaker,
      places,
      partitions,
      onFatal,
      goOn,
      onReleased,
    };
    this.settler = new Settler({
      ...shared,
      onSettled: (settling, settled) => this.settled(settling, settled),
      onStale: (task) => this.stale(task),
    });
    this.publisher = new Publisher({ ...shared, onDone: (tasks) => this.finished(tasks) });
    const refuse = (task: Task, reason: string): void => this.refuse(task, reason);
    this.parking = new Parking({ ...shared, refuse });
    const rejects = new Rejects({ ...shared, publish: (publication) => this.publisher.add(publication) });
    this.claimer = new Claimer({
      ...shared,
      open: () => this.isOpen(),
      free: (task) => this.free(task),
      begin: (task, owned) => this.begin(task, owned),
      conclude: (task, owned, verdict) => this.conclude(task, owned, verdict),
      republish: (task, row) => this.publisher.add({ task, records: recordsOfRow(records, task, row) }),
      refuse,
      discard: (task) => this.discard(task),
    });
    this.heartbeat = new Heartbeat({ ...shared, running, parking: this.parking, onBeat: () => this.claimer.pump() });
    this.intake = new Intake({
      ...shared,
      topics: records.topics,
      memberName: deps.ids.uuid(),
      unwritten: () => this.parking.pending,
      onDue: (due, source, record) => this.due(due, source, record),
      onGarbage: (record, rejection, source) => rejects.add(record, rejection, source),
      onBatchEnd: () => this.claimer.pump(),
      onLost: () => backlog.dropLost(),
    });
  }

  /** Begins, and keeps trying while servers are away; `ready()` tells how it stands. */
  start(): void {
    this.incarnations.begin().catch((error: unknown) => this.fatal(error));
    this.intake.start().catch((error: unknown) => this.fatal(error));
    let turn = 0;
    const take = async (): Promise<boolean> =>
      (this.foundParked = await this.parking.take(turn++ % THOROUGH_EVERY === 0));
    this.taking = repeat(this.deps, 'taking parked runs', LOOK_EVERY_MS, take);
    this.loops = [
      this.taking,
      repeat(this.deps, 'handing over', LOOK_EVERY_MS, () => this.parking.relieve()),
      repeat(this.deps, 'reading limits', LOOK_EVERY_MS, () => this.places.refresh()),
      repeat(this.deps, 'sweeping', SWEEP_EVERY_MS, () => this.parking.sweep()),
    ];
    this.heartbeat.start();
  }

  /**
   * Takes no more work, lets what runs finish, hands the rest back. The partitions go to others at once: what runs on
   * here is held by `parked` meanwhile.
   * @param timeoutMs how long running handlers get before they are aborted
   */
  async stop({ timeoutMs }: { timeoutMs: number }): Promise<void> {
    const endAt = this.deps.clock.now() + timeoutMs;
    this.stopping = true;
    await this.orLater(this.claimer.stop());
    await this.orLater(Promise.all(this.loops.map((loop) => loop.stop())));
    await this.orLater(this.parking.giveBack(this.backlog.withdraw((task) => task.parked)));
    await this.orLater(this.parking.detach(this.running.tasks()));
    await this.until(() => this.settler.pending === 0 && this.publisher.idle, PATIENCE_AT_STOP_MS);
    await this.orLater(this.intake.stop());
    await this.until(() => this.running.undecided === 0, endAt - this.deps.clock.now());
    this.running.abort('shutdown', () => true);
    await this.until(
      () =>
        this.running.undecided === 0 && this.settler.pending === 0 && this.publisher.idle && this.waitingWrites === 0,
      PATIENCE_AT_STOP_MS,
    );
    this.closed = true;
    await this.orLater(this.heartbeat.stop());
    await this.orLater(this.incarnations.close());
    await this.orLater(this.publisher.close());
  }

  /** Whether it can take work and bring it to its end, or why not. */
  ready(): { ok: boolean; reasons: string[] } {
    const reasons: string[] = [];
    if (this.stopping) reasons.push('the executor is stopping');
    else if (this.incarnations.current === undefined) reasons.push('waiting for a lease: is the database reachable?');
    else if (this.incarnations.claiming === undefined)
      reasons.push('the lease could not be renewed in time: is the database reachable?');
    if (!this.intake.ready) reasons.push('waiting to join its consumer groups: is Kafka reachable?');
    if (this.publisher.trouble !== undefined) reasons.push(`outcomes cannot be published: ${this.publisher.trouble}`);
    return { ok: reasons.length === 0, reasons };
  }

  stats(): ExecutorStats {
    return {
      executor: this.incarnations.current?.lease.executor ?? null,
      leaseRemainingMs: this.incarnations.current?.hold.remainingMs() ?? 0,
      running: this.running.size,
      abandoned: this.abandoned.size,
      free: this.slots.free,
      waiting: this.backlog.waiting,
      waitingBytes: this.inHand.waitingBytes,
      starting: this.claimer.starting,
      settling: this.settler.pending,
      publishing: this.publisher.pending,
      partitions: this.partitions.count,
    };
  }

  /** Rows of parked runs and places still to be written or removed. */
  private get waitingWrites(): number {
    return this.parking.pending + this.places.pending;
  }

  /** While so much is unsettled or unpublished nothing is added. */
  private isOpen(): boolean {
    const unfinished = this.settler.pending + this.publisher.pending;
    return unfinished < MOST_UNFINISHED && this.inHand.endingBytes < MOST_UNFINISHED_BYTES;
  }

  private due(due: DueRecord, source: Source, record: ConsumedRecord): void {
    const { topic, partition, offset } = record;
    const task = new Task(due, this.deps.ids.uuid(), { topic, partition, offset }, sizeOf(record));
    const known = this.backlog.find(task.key);
    if (known !== undefined) return known.attach(source);
    if (this.deps.handlers.has(task.handler)) return this.backlog.admit(task, source);
    task.attach(source);
    this.inHand.move(task, 'waiting');
    this.parking.handOver(task);
  }

  private begin(task: Task, owned: OwnedRun): void {
    const handler = this.deps.handlers.get(task.handler);
    if (task.endAs !== null || handler === undefined) {
      this.free(task);
      return this.conclude(task, owned, task.endAs ?? { kind: 'handed_back' });
    }
    const attempt = new Attempt(this.attemptDeps, task, owned, handler, this.policyOf(task, handler));
    this.inHand.move(task, 'running');
    const entry = this.running.add(task, owned, attempt, this.deps.clock.now());
    this.metrics.lateness(this.deps.clock.now() - task.due.dueAt);
    void attempt.verdict.then((verdict) => {
      entry.decided = true;
      this.conclude(task, owned, verdict);
    });
    void attempt.released.then(() => {
      this.running.delete(entry);
      this.free(task);
      this.claimer.pump();
      this.heartbeat.freed();
      if (this.foundParked) this.taking?.wake();
    });
    if (!owned.incarnation.alive) attempt.abort('lost_lease');
    this.heartbeat.began(attempt.deadlineAt);
  }

  private policyOf({ due }: Task, handler: Pick<Handler, 'timeoutMs' | 'retry'>): RunPolicy {
    return policyOf(due, handler, this.deps.maxTimeoutMs);
  }

  /** Its slot goes, and its places under limits with it. */
  private free(task: Task): void {
    this.slots.release(task);
    this.places.leave(task);
  }

  private conclude(task: Task, owned: OwnedRun, verdict: Verdict): void {
    this.inHand.move(task, 'ending');
    const handler = this.deps.handlers.get(task.handler) ?? {};
    const settlement = settlementOf(task, owned.token, verdict, this.policyOf(task, handler), this.deps.ids.random());
    const settling = { task, lease: owned.incarnation.lease, settlement };
    if (verdict.kind === 'committed') this.settled(settling, verdict.settled);
    else this.settler.add(settling);
  }

  private settled({ task, settlement }: Settling, settled: Settled): void {
    if (settled.parked) task.parked = true;
    this.metrics.runFinished(
      settlement.status,
      task.handler,
      settled.finishedAt - (settled.startedAt ?? settled.finishedAt),
    );
    if (settlement.status !== 'ENQUEUED') {
      this.publisher.add({ task, records: recordsOf(this.deps.records, task, settlement, settled, this.deps.worker) });
    } else if (!this.stopping) {
      this.backlog.lookAgain(task, 0);
    } else if (task.parked) {
      this.parking.giveBack([task]).catch((error: unknown) => this.fatal(error));
    }
  }

  /** The store does not take the record: its run has no row, and is published as failed. */
  private refuse(task: Task, message: string): void {
    const { records, clock, worker } = this.deps;
    const error = { code: 'payload_invalid', message };
    this.publisher.add({ task, records: recordsOfRefused(records, task, error, clock.now(), worker) });
  }

  /**
   * Another record or parked row stands for the run. At once, with nothing in between: that row may be taken by this very
   * executor in the next moment, and must then make a task of its own.
   */
  private discard(task: Task): void {
    task.release();
    this.finished([task]);
    this.moved();
  }

  /** The settlement changed nothing: whatever became of the run, its row tells. */
  private stale(task: Task): void {
    this.deps.log.warn({ runId: task.due.runId }, 'a run had been taken over, its end here changes nothing');
    if (task.mine && !this.stopping) this.backlog.lookAgain(task, 0);
    else this.backlog.forget(task);
  }

  private finished(ended: readonly Holding[]): void {
    for (const each of ended) this.inHand.move(each, null);
    const tasks = ended.filter((each) => each instanceof Task);
    for (const task of tasks) this.backlog.forget(task);
    this.parking.unpark(tasks);
    this.claimer.pump();
  }

  /** Something was let go, or taken on: offsets may be committed, partitions resumed. */
  private moved(): void {
    this.publisher.flush();
    this.intake.throttle();
    this.metrics.slots(this.slots.inUse, this.slots.total);
    this.metrics.waiting(this.backlog.waiting);
  }

  private fatal(error: unknown): void {
    this.deps.onFatal(error instanceof Error ? error : new Error(String(error)));
  }

  private async orLater(step: Promise<unknown>): Promise<void> {
    const waited = new AbortController();
    const done = step.catch((error: unknown) =>
      this.deps.log.warn({ reason: String(error) }, 'a step of the stop failed'),
    );
    await Promise.race([done, this.deps.clock.sleep(PATIENCE_AT_STOP_MS, waited.signal)]);
    waited.abort();
  }

  private async until(condition: () => boolean, limitMs: number): Promise<void> {
    const endAt = this.deps.clock.now() + limitMs;
    while (!condition() && this.deps.clock.now() < endAt) await this.deps.clock.sleep(20);
  }
}
