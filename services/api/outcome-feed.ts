/**
 * Outcomes for many listeners, from any position on.
 *
 * One tail reads the topic for all; the latest records are kept, so that a listener who was away for a moment is served from
 * memory. One who was away for longer catches up with a tail of its own, until what is kept covers its position.
 *
 * Invariant: `base` is the position before the oldest record kept, `next` the one behind the latest; whoever stands between the
 * two misses nothing. Records are read one after the other (`reading`), so a listener is added between two of them, never within.
 */
import { BelfryError } from '../core/errors.ts';
import { OpenOnce } from '../core/open-once.ts';
import type { Tail, TailOptions } from '../core/ports/broker.ts';
import type { ConsumedRecord, Outcome } from '../core/records.ts';
import { Shares } from '../core/shares.ts';
import type { ApiDeps } from './deps.ts';
import { advance, positionText, reaches, type Position } from './position.ts';

const KEPT = 10_000;
/** Of their records; the latest outcomes may be as large as a result can be. */
const KEPT_BYTES = 32 * 1024 * 1024;
/** Tails of listeners that catch up, at once: each is a consumer of Kafka. */
const CATCHING_UP = 10;

export type FeedLimits = { kept?: number; keptBytes?: number; catchingUp?: number };
export type Hear = (outcome: Outcome, id: string) => void;

type Heard = { partition: number; offset: bigint; outcome: Outcome; bytes: number };
type Listener = { tenant: string; position: Map<number, bigint>; hear: Hear; gone: AbortSignal };
/** Whose it is, and where it begins; without a position, now. */
export type ListenFrom = { tenant: string; after?: Position | undefined };
type Deps = Pick<ApiDeps, 'broker' | 'codec' | 'topics' | 'log'>;

export class OutcomeFeed {
  private readonly deps: Deps;
  private readonly limits: Required<FeedLimits>;
  private readonly listeners = new Set<Listener>();
  private readonly kept: Heard[] = [];
  private keptBytes = 0;
  private base = new Map<number, bigint>();
  private next = new Map<number, bigint>();
  private readonly tail: OpenOnce<Tail>;
  private readonly catchingUp: Shares;

  constructor(deps: Deps, limits: FeedLimits = {}) {
    this.deps = deps;
    this.limits = { kept: KEPT, keptBytes: KEPT_BYTES, catchingUp: CATCHING_UP, ...limits };
    this.catchingUp = new Shares(this.limits.catchingUp);
    this.tail = new OpenOnce(
      () => this.open(),
      (tail) => tail.close(),
    );
  }

  /**
   * Hears outcomes of all tenants from `after` on, or from now on.
   * @param from `tenant`: of its share of those that catch up
   * @param hear gets each with the position behind it
   * @param gone ends it
   * @returns resolves when the listener has caught up, or is gone
   * @throws BelfryError `overloaded` (retryable), or as the broker says
   */
  async listen({ tenant, after }: ListenFrom, hear: Hear, gone: AbortSignal): Promise<void> {
    await this.start();
    const listener: Listener = { tenant, position: new Map(after ?? this.next), hear, gone };
    while (!gone.aborted && !reaches(listener.position, this.base)) await this.catchUp(listener);
    if (gone.aborted) return;
    for (const heard of this.kept) {
      if (heard.offset >= (listener.position.get(heard.partition) ?? 0n)) tell(listener, heard);
    }
    this.listeners.add(listener);
    gone.addEventListener('abort', () => this.listeners.delete(listener), { once: true });
  }

  close(): Promise<void> {
    return this.tail.close();
  }

  /** Begins to read; resolves when what comes from now on will be heard. @throws BelfryError as the broker says */
  async start(): Promise<void> {
    await this.tail.get();
  }

  /** Behind the latest outcome that was heard, once it has begun. */
  position(): Position {
    return new Map(this.next);
  }

  private async open(): Promise<Tail> {
    const ends = await this.ends();
    this.base = new Map(ends);
    this.next = new Map(ends);
    return this.read({ offsets: ends }, (heard) => this.keep(heard)).tail;
  }

  private keep(heard: Heard): void {
    this.kept.push(heard);
    this.keptBytes += heard.bytes;
    this.next.set(heard.partition, heard.offset + 1n);
    for (const listener of this.listeners) tell(listener, heard);
    while (this.kept.length > this.limits.kept || this.keptBytes > this.limits.keptBytes) {
      const { partition, offset, bytes } = this.kept.shift() as Heard;
      this.keptBytes -= bytes;
      this.base.set(partition, offset + 1n);
    }
  }

  /** Reads all that stands in the topic now. */
  private async catchUp(listener: Listener): Promise<void> {
    const release = this.catchingUp.take(listener.tenant);
    if (release === undefined) {
      const message = 'Too many streams are catching up; try again, or without Last-Event-ID.';
      throw new BelfryError('overloaded', message, { retryable: true });
    }
    try {
      const ends = await this.ends();
      const caughtUp = Promise.withResolvers<void>();
      listener.gone.addEventListener('abort', () => caughtUp.resolve(), { once: true });
      const from = { offsets: new Map(listener.position) };
      const reader = this.read(from, (heard) => tell(listener, heard), caughtUp.resolve);
      const tail = await reader.tail;
      await caughtUp.promise;
      await tail.close();
      await reader.done();
      advance(listener.position, ends); // transactions leave gaps that no record fills
    } finally {
      release();
    }
  }

  private read(
    from: TailOptions['from'],
    onHeard: (heard: Heard) => void,
    onCaughtUp: () => void = () => undefined,
  ): { tail: Promise<Tail>; done: () => Promise<void> } {
    const { broker, codec, topics, log } = this.deps;
    let reading = Promise.resolve();
    const hear = async ({ partition, offset, value }: ConsumedRecord): Promise<void> => {
      if (value === null) return;
      try {
        const outcome = await codec.decodeOutcome(value);
        onHeard({ partition, offset, outcome, bytes: value.length });
      } catch (error) {
        log.error({ err: error, partition, offset: String(offset) }, 'an outcome cannot be streamed');
      }
    };
    const tail = broker.tail({
      topics: [topics.completed],
      from,
      isolation: 'read_committed',
      onRecord: (record) => (reading = reading.then(() => hear(record))),
      onCaughtUp,
    });
    return { tail, done: () => reading };
  }

  private async ends(): Promise<Map<number, bigint>> {
    const ranges = await this.deps.broker.logRange(this.deps.topics.completed);
    return new Map([...ranges].map(([partition, { end }]) => [partition, end]));
  }
}

function tell({ position, hear, gone }: Listener, { partition, offset, outcome }: Heard): void {
  if (gone.aborted) return;
  position.set(partition, offset + 1n);
  hear(outcome, positionText(position));
}
