/**
 * Writes commands in batches: while one batch is on its way, the next gathers, and under a steady load batches have a pace. kafkajs
 * has no linger of its own, and a batch costs little more than a single record.
 */
import { Pace } from '../core/pace.ts';
import type { Broker, Producer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { OutgoingRecord } from '../core/records.ts';

const MAX_BATCH = 500;
const EVERY_MS = 5;

type Waiting = { record: OutgoingRecord; resolve: () => void; reject: (error: unknown) => void };

export class Sender {
  private producer: Promise<Producer> | undefined;
  private waiting: Waiting[] = [];
  private sending = false;
  private readonly broker: Broker;
  private readonly pace: Pace;

  constructor({ broker, clock }: { broker: Broker; clock: Clock }) {
    this.broker = broker;
    this.pace = new Pace(clock, EVERY_MS);
  }

  /** Resolves when the record is durable. @throws BelfryError of the broker port */
  send(record: OutgoingRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ record, resolve, reject });
      if (!this.sending) void this.flush();
    });
  }

  async close(): Promise<void> {
    await (await this.producer)?.close();
  }

  private async flush(): Promise<void> {
    this.sending = true;
    await Promise.resolve(); // whoever calls in the same turn joins the first batch
    while (this.waiting.length > 0) {
      await this.pace.wait(this.waiting.length >= MAX_BATCH);
      this.pace.begin();
      const batch = this.waiting.splice(0, MAX_BATCH);
      try {
        this.producer ??= this.broker.producer();
        await (await this.producer).send(batch.map(({ record }) => record));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.sending = false;
  }
}
