/** Whether a stored offset is inside what the broker still has. */
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';

type Ranges = Awaited<ReturnType<Broker['logRange']>>;
type Range = { first: bigint; end: bigint };

/** One answer serves all partitions that are taken together. */
const FRESH_MS = 1_000;

export class LogRanges {
  private readonly broker: Broker;
  private readonly clock: Clock;
  private readonly asked = new Map<string, { at: number; ranges: Promise<Ranges> }>();

  constructor(broker: Broker, clock: Clock) {
    this.broker = broker;
    this.clock = clock;
  }

  /** What is wrong with reading on from `offset`, and what to do; undefined when all is well. */
  async problemOf(topic: string, partition: number, offset: bigint): Promise<string | undefined> {
    const range = await this.of(topic, partition, offset);
    if (range === undefined) return `${topic} has no partition ${partition}: run belfry migrate`;
    if (offset < range.first) {
      return `records ${offset} to ${range.first - 1n} of ${topic}/${partition} were deleted before they were applied: restore the topic, or accept the loss by setting the stored offset (table owners) to ${range.first}, then restart`;
    }
    if (offset > range.end) {
      return `${topic}/${partition} ends at ${range.end}, before the stored offset ${offset}: the topic lost records or was made anew; restore it, or set the stored offset (table owners) to ${range.first}, then restart`;
    }
    return undefined;
  }

  /** The offset itself, or the end of the log that is nearest to it. */
  async nearest(topic: string, partition: number, offset: bigint): Promise<bigint> {
    const range = await this.of(topic, partition, offset);
    if (range === undefined) return offset;
    return offset < range.first ? range.first : offset > range.end ? range.end : offset;
  }

  /** An answer from before the offset was stored may lie behind it: such a one is asked for again. */
  private async of(topic: string, partition: number, offset: bigint): Promise<Range | undefined> {
    const former = (await this.ask(topic, FRESH_MS)).get(partition);
    if (former !== undefined && offset >= former.first && offset <= former.end) return former;
    return (await this.ask(topic, 0)).get(partition);
  }

  private ask(topic: string, maxAgeMs: number): Promise<Ranges> {
    const former = this.asked.get(topic);
    if (former !== undefined && this.clock.now() - former.at < maxAgeMs) return former.ranges;
    const ranges = this.broker.logRange(topic);
    this.asked.set(topic, { at: this.clock.now(), ranges });
    // A failed answer is no answer: the next one asks again.
    ranges.catch(() => this.asked.delete(topic));
    return ranges;
  }
}
