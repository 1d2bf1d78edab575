/**
 * The exact lane of one partition: KAFKA_MESSAGEs and their outcomes, in transactions of the partition's own producer.
 *
 * Invariant: the position committed with each transaction, in a group without members, says how far the lane is: outbox
 * row (`seq`) and run within it. It moves together with the records, and only the holder of the transactional id can
 * move it; so whoever initialises that producer and then reads the position knows exactly what was written, and a
 * read_committed reader sees each message once. The race it ends: a frozen owner that thaws in the middle of a transaction.
 *
 * A run whose record the broker will never take is first recorded as FAILED in the store, and only then passed over: a
 * new owner that finds the row again must not take it for completed. So is one whose topic is denied, as put off (put-off.ts):
 * one tenant's topic must not stop the others.
 */
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Records } from '../core/events.ts';
import type { Broker, GroupOffset, TransactionalProducer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { DecidedRun } from '../core/ports/timer-store.ts';
import type { DueRecord, OutgoingRecord } from '../core/records.ts';
import { isOwnTopic } from '../core/topics.ts';
import { backoffMs } from './backoff.ts';
import { isRefusal } from './emitter.ts';
import { completedRun, messageOf as messageRecordOf, targetOf, type ExactRun } from './exact-message.ts';

export type ExactOptions = {
  partition: number;
  prefix: string;
  worker: string;
  broker: Broker;
  clock: Clock;
  log: Log;
  records: Records;
  /** Of these runs, those that a former owner recorded as failed or put off. */
  passedOver: (runs: readonly RowRun[]) => Promise<readonly RowRun[]>;
  /** A row is done; these of its runs are published. */
  onProduced(seq: number, runs: readonly DecidedRun[]): void;
  /** Resolves once the store holds the failure. */
  onRefused(due: DueRecord, message: string): Promise<void>;
  /** Resolves once the store holds that the run is put off, or has failed after all. */
  onDenied(run: RowRun, message: string): Promise<void>;
  /** Another process has this partition. */
  onFenced(): void;
};

type Row = { seq: number; runs: readonly ExactRun[] };
/** A run, and the row that it stands in. */
export type RowRun = { seq: number; due: DueRecord };
/** One run of a row, and the position behind it. */
type Candidate = { seq: number; run: ExactRun; behind: bigint };
type Step = Candidate & { records: readonly OutgoingRecord[] };
/** Why a run cannot be published: for good, or until somebody grants it. */
type Problem = { message: string; isDenial: boolean };

const MAX_RUNS_PER_TRANSACTION = 1_000;
const RUN_BITS = 20n;
/** So long a topic that was denied is not tried. */
const DENIED_FOR_MS = 5_000;
const MAX_DENIED_TOPICS = 1_000;

export class ExactLane {
  private readonly options: ExactOptions;
  private rows: Row[] = [];
  private running = false;
  private closed = false;
  private producer: TransactionalProducer | undefined;
  /** Everything before it is written; undefined: to be asked of the broker, after fencing. */
  private position: bigint | undefined;
  /** Why the last try failed; undefined while all is well. */
  failure: string | undefined;
  /** Above zero: the broker refused one among so many next runs. It is found by halves: the position moves forward only. */
  private suspects = 0;
  /** Runs of the rows that are recorded as failed or put off; undefined until the store was asked for those of a former owner. */
  private passed: Set<string> | undefined;
  /** Topics that were denied lately, until when and why. */
  private readonly denied = new Map<string, { until: number; message: string }>();

  constructor(options: ExactOptions) {
    this.options = options;
  }

  enqueue(seq: number, runs: readonly ExactRun[]): void {
    this.rows.push({ seq, runs });
    if (!this.running) void this.run();
  }

  /** Ends the lane; what is left stays in the store. */
  async close(): Promise<void> {
    this.closed = true;
    await this.producer?.close();
  }

  private async run(): Promise<void> {
    this.running = true;
    for (let failures = 0; this.rows.length > 0 && !this.closed;) {
      try {
        await this.advance();
        this.failure = undefined;
        failures = 0;
      } catch (thrown) {
        if (this.closed) break;
        if (thrown instanceof BelfryError && thrown.code === 'producer_fenced') {
          this.options.onFenced();
          break;
        }
        // The outcome is unknown: fence oneself, then ask.
        this.position = undefined;
        this.failure = messageOf(thrown);
        this.options.log.warn(
          { err: thrown, partition: this.options.partition },
          'publishing messages failed; trying again',
        );
        await this.options.clock.sleep(backoffMs(++failures));
      }
    }
    this.running = false;
  }

  private async advance(): Promise<void> {
    const { producer, position } = await this.begin();
    const steps = await this.publishable(position);
    const last = steps.at(-1);
    if (last !== undefined) {
      try {
        await this.transact(producer, steps);
        this.suspects = Math.max(0, this.suspects - steps.length);
      } catch (thrown) {
        const denied = steps.map(({ run }) => targetOf(run.due)).find((topic) => isDenialOf(topic, thrown));
        if (!isRefusal(thrown) && denied === undefined) throw thrown;
        // A failed transaction costs the producer: whoever goes on must fence and ask again, as after any other error.
        this.position = undefined;
        // Its runs are passed over in the next round.
        if (denied !== undefined) {
          this.noteDenied(denied, messageOf(thrown));
          return;
        }
        this.suspects = steps.length === 1 ? 0 : steps.length;
        if (steps.length === 1) await this.passOver(last, { message: messageOf(thrown), isDenial: false });
        return;
      }
    }
    this.finishRows();
  }

  /** The producer, initialised: no other process can write for this partition any more, and the position stands still. */
  private async begin(): Promise<{ producer: TransactionalProducer; position: bigint }> {
    const { broker, partition, prefix, records, passedOver } = this.options;
    this.producer ??= await broker.transactional(`${prefix}belfry-exact-${partition}`);
    const left = this.rows.flatMap(({ seq, runs }) => runs.map(({ due }) => ({ seq, due })));
    this.passed ??= new Set((await passedOver(left)).map(keyOf));
    if (this.position === undefined) {
      await this.producer.init();
      const committed = await broker.committed(groupOf(prefix), { topic: records.topics.commands, partition });
      this.position = committed ?? 0n;
      this.finishRows();
    }
    return { producer: this.producer, position: this.position };
  }

  /** The next runs to publish. Those that cannot be are passed over here, all together: each would cost a step of its own. */
  private async publishable(position: bigint): Promise<Step[]> {
    const limit = this.suspects > 0 ? Math.ceil(this.suspects / 2) : MAX_RUNS_PER_TRANSACTION;
    const steps: Step[] = [];
    const passing: Promise<void>[] = [];
    const topics = new Map<string | undefined, number | Problem>();
    for (const candidate of this.candidatesBehind(position)) {
      if (steps.length >= limit || passing.length >= MAX_RUNS_PER_TRANSACTION) break;
      const topic = targetOf(candidate.run.due);
      const partitions = topics.get(topic) ?? (await this.partitionsOf(topic));
      topics.set(topic, partitions);
      const records = typeof partitions === 'number' ? this.recordsOf(candidate.run, partitions) : partitions;
      if ('message' in records) passing.push(this.passOver(candidate, records));
      else steps.push({ ...candidate, records });
    }
    await Promise.all(passing);
    return steps;
  }

  private *candidatesBehind(position: bigint): Generator<Candidate> {
    for (const row of this.rows) {
      for (const [index, run] of row.runs.entries()) {
        const behind = positionOf(row, index + 1);
        if (behind > position && !this.isPassed(row, run)) yield { seq: row.seq, run, behind };
      }
    }
  }

  private async transact(producer: TransactionalProducer, steps: readonly Step[]): Promise<void> {
    const { partition, prefix, records } = this.options;
    const written = steps.flatMap((step) => step.records);
    const offset = steps.at(-1)!.behind;
    const offsets: GroupOffset[] = [{ groupId: groupOf(prefix), topic: records.topics.commands, partition, offset }];
    await producer.transact(written, offsets);
    this.position = offset;
  }

  /** The message and the outcome of a run. Whatever stands in it, it must not stop those behind it. */
  private recordsOf(run: ExactRun, partitions: number): readonly OutgoingRecord[] | Problem {
    const { records, worker } = this.options;
    try {
      const { outcome } = completedRun(run, worker);
      return [messageRecordOf(run.due, partitions), records.outcome(outcome, run.due.tracked, run.due.traceparent)];
    } catch (thrown) {
      return forGood(`no message can be made of it: ${messageOf(thrown)}`);
    }
  }

  /** How many partitions the topic has, or why nothing can be written to it. */
  private async partitionsOf(topic: string | undefined): Promise<number | Problem> {
    const { broker, clock, prefix } = this.options;
    if (topic === undefined) return forGood('its payload names no topic');
    if (isOwnTopic(prefix, topic)) return forGood(`${topic} is one of Belfry's own topics`);
    const denied = this.denied.get(topic);
    if (denied !== undefined && clock.now() < denied.until) return { message: denied.message, isDenial: true };
    this.denied.delete(topic);
    try {
      return (await broker.partitions(topic)) ?? forGood(`there is no topic ${topic}`);
    } catch (thrown) {
      if (!isDenialOf(topic, thrown)) throw thrown;
      this.noteDenied(topic, thrown.message);
      return { message: thrown.message, isDenial: true };
    }
  }

  private noteDenied(topic: string, message: string): void {
    if (this.denied.size >= MAX_DENIED_TOPICS) this.denied.clear();
    this.denied.set(topic, { until: this.options.clock.now() + DENIED_FOR_MS, message });
  }

  private async passOver({ seq, run: { due } }: Candidate, { message, isDenial }: Problem): Promise<void> {
    if (isDenial) await this.options.onDenied({ seq, due }, message);
    else await this.options.onRefused(due, message);
    this.passed!.add(keyOf({ seq, due }));
  }

  private isPassed({ seq }: Row, { due }: ExactRun): boolean {
    return this.passed!.has(keyOf({ seq, due }));
  }

  /** Rows that are behind the position but for runs passed over are done. */
  private finishRows(): void {
    const isDone = (row: Row): boolean =>
      row.runs.every((run, i) => positionOf(row, i + 1) <= this.position! || this.isPassed(row, run));
    while (this.rows[0] !== undefined && isDone(this.rows[0])) {
      const row = this.rows.shift()!;
      const published = row.runs.filter((run) => !this.isPassed(row, run));
      for (const { due } of row.runs) this.passed!.delete(keyOf({ seq: row.seq, due }));
      this.options.onProduced(
        row.seq,
        published.map((run) => completedRun(run, this.options.worker)),
      );
    }
  }
}

function keyOf({ seq, due }: RowRun): string {
  return `${seq}/${due.runId}`;
}

function forGood(message: string): Problem {
  return { message, isDenial: false };
}

function groupOf(prefix: string): string {
  return `${prefix}belfry-exact`;
}

function positionOf({ seq, runs }: Row, run: number): bigint {
  return run === runs.length ? BigInt(seq + 1) << RUN_BITS : (BigInt(seq) << RUN_BITS) + BigInt(run);
}

/** Whether this user may not write to the topic: that is for the runs that name it alone, where it is not one of Belfry's own. */
function isDenialOf(topic: string | undefined, thrown: unknown): thrown is BelfryError {
  return (
    thrown instanceof BelfryError &&
    thrown.code === 'broker_denied' &&
    topic !== undefined &&
    thrown.ids.topic === topic
  );
}
