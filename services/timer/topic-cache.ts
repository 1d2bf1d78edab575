/**
 * Partition counts of the topics that due records go to, so that deciding need not wait for the broker.
 *
 * Every answer is kept for a while, also that there is no such topic and that the broker did not answer: a queue that somebody names
 * in every command is not asked for in every step. Names are users' words: no more than some thousands are remembered.
 */
import { messageOf } from '../core/errors.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { within } from '../core/within.ts';

/** Due topics may grow: their counts are asked for again after this long. A stale one is still right, just less spread. */
const FRESH_MS = 30_000;
/** A queue that was just made is found soon. */
const MISSING_MS = 2_000;
/** A step waits no longer for an answer: what it decides without one is right, too. */
const PATIENCE_MS = 1_000;
const AT_ONCE = 16;
const MAX_ABSENT = 10_000;

export class TopicCache {
  private readonly broker: Broker;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly known = new Map<string, { partitions: number; askedAt: number }>();
  /** When a topic was found missing, or not to be asked for. */
  private readonly absent = new Map<string, { isMissing: boolean; askedAt: number }>();

  constructor({ broker, clock, log }: { broker: Broker; clock: Clock; log: Log }) {
    this.broker = broker;
    this.clock = clock;
    this.log = log;
  }

  /** The count as far as it is known. */
  partitions(topic: string): number | undefined {
    return this.known.get(topic)?.partitions;
  }

  /**
   * Looks up those of the topics that are not known yet.
   * @returns those that do not exist; a broker that is away leaves the question open
   */
  async missing(topics: Iterable<string>): Promise<Set<string>> {
    const now = this.clock.now();
    const all = [...new Set(topics)];
    const stale = all.filter((topic) => now - (this.known.get(topic)?.askedAt ?? now) > FRESH_MS);
    const unknown = all.filter(
      (topic) => !this.known.has(topic) && now - (this.absent.get(topic)?.askedAt ?? -Infinity) > MISSING_MS,
    );
    if (stale.length > 0) void this.ask(stale);
    if (unknown.length > 0) {
      const late = (): Error => new Error('no answer yet');
      await within(this.clock, PATIENCE_MS, this.ask(unknown), late).catch(() => undefined);
    }
    return new Set(all.filter((topic) => !this.known.has(topic) && this.absent.get(topic)?.isMissing === true));
  }

  /** Some at a time: each that is missing costs a connection. */
  private async ask(topics: readonly string[]): Promise<void> {
    // Who looks while this question is under way does not ask it again.
    for (const topic of topics) this.note(topic, this.absent.get(topic)?.isMissing ?? false);
    for (let at = 0; at < topics.length; at += AT_ONCE) {
      await Promise.all(topics.slice(at, at + AT_ONCE).map((topic) => this.askOne(topic)));
    }
  }

  private async askOne(topic: string): Promise<void> {
    try {
      const partitions = await this.broker.partitions(topic);
      if (partitions === undefined) return this.note(topic, true);
      this.absent.delete(topic);
      this.known.set(topic, { partitions, askedAt: this.clock.now() });
    } catch (thrown) {
      this.log.warn({ topic, reason: messageOf(thrown) }, 'cannot ask how many partitions a topic has');
    }
  }

  private note(topic: string, isMissing: boolean): void {
    const askedAt = this.clock.now();
    const known = this.known.get(topic);
    if (known !== undefined) known.askedAt = askedAt;
    else this.absent.set(topic, { isMissing, askedAt });
    if (this.absent.size > MAX_ABSENT) this.absent.clear();
  }
}
