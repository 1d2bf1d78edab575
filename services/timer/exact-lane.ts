/**
 * The exact lane of one partition: KAFKA_MESSAGEs and their outcomes, in transactions of the partition's own producer.
 *
 * Invariant: the position committed with each transaction, in a group without members, says how far the lane is: outbox
 * row (`seq`) and run within it. It moves together with the records, and only the holder of the transactional id can
 * move it; so whoever initialises that producer and then reads the position knows exactly what was written, and a
 * read_committed reader sees each message once. The race it ends: a frozen owner that thaws in the middle of a transaction.
 *
 * A run whose record the broker will never take is first recorded as FAILED in the store, and only then passed over: a
 * new owner that finds the row again must not take it for completed.
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
  /** Of these runs, those that are recorded as failed: a former owner had them refused. */
  failedAmong: (runIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** A row is done; these of its runs are published. */
  onProduced(seq: number, runs: readonly DecidedRun[]): void;
  /** Resolves once the store holds the failure. */
  onRefused(due: DueRecord, message: string): Promise<void>;
  /** Another process has this partition. */
  onFenced(): void;
};

type Row = { seq: number; runs: readonly ExactRun[] };
/** One run of a row, what is written of it, and the position behind it. */
type Step = { run: ExactRun; records: readonly OutgoingRecord[]; behind: bigint };

const MAX_RUNS_PER_TRANSACTION = 1_000;
const RUN_BITS = 20n;

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
  /** Runs recorded as failed; undefined until the store was asked for those of a former owner. */
  private refused: Set<string> | undefined;

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
        const denied = steps.filter(({ run }) => isDenialOf(targetOf(run.due), thrown));
        if (!isRefusal(thrown) && denied.length === 0) throw thrown;
        // A failed transaction costs the producer: whoever goes on must fence and ask again, as after any other error.
        this.position = undefined;
        if (denied.length > 0) return await this.refuseAll(denied, messageOf(thrown));
        this.suspects = steps.length === 1 ? 0 : steps.length;
        if (steps.length === 1) await this.refuse(last.run.due, messageOf(thrown));
        return;
      }
    }
    this.finishRows();
  }

  /** The producer, initialised: no other process can write for this partition any more, and the position stands still. */
  private async begin(): Promise<{ producer: TransactionalProducer; position: bigint }> {
    const { broker, partition, prefix, records, failedAmong } = this.options;
    this.producer ??= await broker.transactional(`${prefix}belfry-exact-${partition}`);
    this.refused ??= new Set(await failedAmong(this.rows.flatMap(({ runs }) => runs.map(({ due }) => due.runId))));
    if (this.position === undefined) {
      await this.producer.init();
      const committed = await broker.committed(groupOf(prefix), { topic: records.topics.commands, partition });
      this.position = committed ?? 0n;
      this.finishRows();
    }
    return { producer: this.producer, position: this.position };
  }

  /** The next runs to publish. Those of which nothing can be written are recorded as failed here. */
  private async publishable(position: bigint): Promise<Step[]> {
    const steps: Step[] = [];
    const most = this.suspects > 0 ? Math.ceil(this.suspects / 2) : MAX_RUNS_PER_TRANSACTION;
    for (const row of this.rows) {
      for (const [index, run] of row.runs.entries()) {
        if (steps.length >= most) return steps;
        const behind = positionOf(row, index + 1);
        if (behind <= position || this.refused!.has(run.due.runId)) continue;
        const records = await this.recordsOf(run);
        if (typeof records === 'string') await this.refuse(run.due, records);
        else steps.push({ run, records, behind });
      }
    }
    return steps;
  }

  private async transact(producer: TransactionalProducer, steps: readonly Step[]): Promise<void> {
    const { partition, prefix, records } = this.options;
    const written = steps.flatMap((step) => step.records);
    const offset = steps.at(-1)!.behind;
    const offsets: GroupOffset[] = [{ groupId: groupOf(prefix), topic: records.topics.commands, partition, offset }];
    await producer.transact(written, offsets);
    this.position = offset;
  }

  /** The message and the outcome of a run; a text: why there can be none. Whatever stands in it, it must not stop those behind it. */
  private async recordsOf(run: ExactRun): Promise<readonly OutgoingRecord[] | string> {
    const { records, worker } = this.options;
    const partitions = await this.partitionsOf(targetOf(run.due));
    if (typeof partitions === 'string') return partitions;
    try {
      const { outcome } = completedRun(run, worker);
      return [messageRecordOf(run.due, partitions), records.outcome(outcome, run.due.tracked, run.due.traceparent)];
    } catch (thrown) {
      return `no message can be made of it: ${messageOf(thrown)}`;
    }
  }

  /** How many partitions the topic has; a text: why nothing can be written to it. */
  private async partitionsOf(topic: string | undefined): Promise<number | string> {
    if (topic === undefined) return 'its payload names no topic';
    if (isOwnTopic(this.options.prefix, topic)) return `${topic} is one of Belfry's own topics`;
    try {
      return (await this.options.broker.partitions(topic)) ?? `there is no topic ${topic}`;
    } catch (thrown) {
      if (isDenialOf(topic, thrown)) return thrown.message;
      throw thrown;
    }
  }

  private async refuseAll(steps: readonly Step[], message: string): Promise<void> {
    await Promise.all(steps.map(({ run }) => this.refuse(run.due, message)));
  }

  private async refuse(due: DueRecord, message: string): Promise<void> {
    await this.options.onRefused(due, message);
    this.refused!.add(due.runId);
  }

  /** Rows that are behind the position but for refused runs are done. */
  private finishRows(): void {
    const done = (row: Row): boolean =>
      row.runs.every(({ due }, i) => positionOf(row, i + 1) <= this.position! || this.refused!.has(due.runId));
    while (this.rows[0] !== undefined && done(this.rows[0])) {
      const { seq, runs } = this.rows.shift()!;
      const published = runs.filter(({ due }) => !this.refused!.has(due.runId));
      this.options.onProduced(
        seq,
        published.map((run) => completedRun(run, this.options.worker)),
      );
    }
  }
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
