/**
 * Writes commands in batches: while one batch is on its way, the next gathers, and under a steady load batches have a pace. kafkajs
 * has no linger of its own, and a batch costs little more than a single record.
 *
 * Invariant: what is over (its time is up, or the client was closed) before its batch begins is never written.
 */
import { bisect } from '../core/bisect.ts';
import { BelfryError } from '../core/errors.ts';
import { OpenOnce } from '../core/open-once.ts';
import { Pace } from '../core/pace.ts';
import type { Broker, Producer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { OutgoingRecord } from '../core/records.ts';
import type { Delivery } from './delivery.ts';

const MAX_BATCH = 500;
const EVERY_MS = 5;

type Outgoing = { record: OutgoingRecord; delivery: Delivery };

export class Sender {
  private readonly producer: OpenOnce<Producer>;
  private readonly waiting = new Set<Outgoing>();
  private sending = false;
  private readonly pace: Pace;

  constructor({ broker, clock }: { broker: Broker; clock: Clock }) {
    this.producer = new OpenOnce(
      () => broker.producer(),
      (producer) => producer.close(),
    );
    this.pace = new Pace(clock, EVERY_MS);
  }

  /** Connects ahead of the first command. @throws BelfryError of the broker port, `closed` */
  async open(): Promise<void> {
    await this.producer.get();
  }

  /** Sends it with the next batch; its delivery is `durable` then, or fails as the broker port says. */
  send(record: OutgoingRecord, delivery: Delivery): void {
    const outgoing = { record, delivery };
    this.waiting.add(outgoing);
    delivery.onEnd(() => this.waiting.delete(outgoing));
    if (!this.sending) void this.flush();
  }

  close(): Promise<void> {
    return this.producer.close();
  }

  private async flush(): Promise<void> {
    this.sending = true;
    await Promise.resolve(); // whoever calls in the same turn joins the first batch
    while (this.waiting.size > 0) {
      await this.pace.wait(this.waiting.size >= MAX_BATCH);
      await this.sendBatch();
    }
    this.sending = false;
  }

  private async sendBatch(): Promise<void> {
    const producer = await this.producer.get().catch((error: unknown) => {
      for (const { delivery } of this.waiting) delivery.fail(error);
    });
    if (!producer) return;
    this.pace.begin();
    await write(producer, this.take());
  }

  private take(): Outgoing[] {
    const batch = [...this.waiting.values().take(MAX_BATCH)];
    for (const outgoing of batch) {
      this.waiting.delete(outgoing);
      outgoing.delivery.stage = 'sent';
    }
    return batch;
  }
}

/** One that Kafka never takes must not be the end of the others: it is found among them, and hears its own. */
async function write(producer: Producer, batch: readonly Outgoing[]): Promise<void> {
  try {
    await bisect(batch, {
      work: async (some) => {
        await producer.send(some.map(({ record }) => record));
        for (const { delivery } of some) delivery.stage = 'durable';
      },
      isRefusal: (error) => error instanceof BelfryError && error.code === 'record_refused',
      onRefused: ({ delivery }, error) => delivery.fail(error),
    });
  } catch (error) {
    for (const { delivery } of batch) if (delivery.stage !== 'durable') delivery.fail(error);
  }
}
