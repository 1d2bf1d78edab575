/** Partition counts of the topics that due records go to, so that deciding need not wait for the broker. */
import { messageOf } from '../core/errors.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

/** Due topics may grow: their counts are asked for again after this long. A stale one is still right, just less spread. */
const FRESH_MS = 30_000;

export class TopicCache {
  private readonly broker: Broker;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly known = new Map<string, { partitions: number; askedAt: number }>();

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
    const missing = new Set<string>();
    for (const topic of new Set(topics)) {
      const entry = this.known.get(topic);
      if (entry !== undefined) {
        if (this.clock.now() - entry.askedAt > FRESH_MS) void this.ask(topic);
      } else if ((await this.ask(topic)) === 'missing') missing.add(topic);
    }
    return missing;
  }

  private async ask(topic: string): Promise<'known' | 'missing' | 'open'> {
    const former = this.known.get(topic);
    if (former !== undefined) former.askedAt = this.clock.now();
    try {
      const partitions = await this.broker.partitions(topic);
      if (partitions === undefined) return 'missing';
      this.known.set(topic, { partitions, askedAt: this.clock.now() });
      return 'known';
    } catch (thrown) {
      this.log.warn({ topic, reason: messageOf(thrown) }, 'cannot ask how many partitions a topic has');
      return 'open';
    }
  }
}
