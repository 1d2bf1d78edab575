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
import type { ApiDeps } from './deps.ts';
import { advance, positionText, reaches, type Position } from './position.ts';

const KEPT = 10_000;
/** Tails of listeners that catch up, at once: each is a consumer of Kafka. */
const CATCHING_UP = 10;

export type FeedLimits = { kept?: number; catchingUp?: number };
export type Hear = (outcome: Outcome, id: string) => void;

type Heard = { partition: number; offset: bigint; outcome: Outcome };
type Listener = { position: Map<number, bigint>; hear: Hear; gone: AbortSignal };
type Deps = Pick<ApiDeps, 'broker' | 'codec' | 'topics' | 'log'>;

export class OutcomeFeed {
  private readonly deps: Deps;
  private readonly limits: Required<FeedLimits>;
  private readonly listeners = new Set<Listener>();
  private readonly kept: Heard[] = [];
  private base = new Map<number, bigint>();
  private next = new Map<number, bigint>();
  private readonly tail: OpenOnce<Tail>;
  private catchingUp = 0;

  constructor(deps: Deps, limits: FeedLimits = {}) {
    this.deps = deps;
    this.limits = { kept: KEPT, catchingUp: CATCHING_UP, ...limits };
    this.tail = new OpenOnce(
      () => this.open(),
      (tail) => tail.close(),
    );
  }

  /**
   * Hears outcomes of all tenants from `after` on, or from now on.
   * @param hear gets each with the position behind it
   * @param gone ends it
   * @returns resolves when the listener has caught up, or is gone
   * @throws BelfryError `overloaded` (retryable), or as the broker says
   */
  async listen(after: Position | undefined, hear: Hear, gone: AbortSignal): Promise<void> {
    await this.start();
    const listener: Listener = { position: new Map(after ?? this.next), hear, gone };
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
    this.next.set(heard.partition, heard.offset + 1n);
    for (const listener of this.listeners) tell(listener, heard);
    if (this.kept.length <= this.limits.kept) return;
    const { partition, offset } = this.kept.shift() as Heard;
    this.base.set(partition, offset + 1n);
  }

  /** Reads all that stands in the topic now. */
  private async catchUp(listener: Listener): Promise<void> {
    if (this.catchingUp >= this.limits.catchingUp) {
      const message = 'Too many streams are catching up; try again, or without Last-Event-ID.';
      throw new BelfryError('overloaded', message, { retryable: true });
    }
    this.catchingUp += 1;
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
      this.catchingUp -= 1;
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
        onHeard({ partition, offset, outcome: await codec.decodeOutcome(value) });
      } catch (error) {
        log.error({ err: error, partition, offset: String(offset) }, 'an outcome cannot be streamed');
      }
    };
    const tail = broker.tail({
      topics: [topics.completed],
      from,
      isolation: 'read_committed',
      onRecord: (record) => {
        reading = reading.then(() => hear(record));
      },
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
