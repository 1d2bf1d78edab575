/**
 * Reads the answers on job.commands.acks.
 *
 * Invariant: the reader's position is fixed before the first command goes out, so that no answer can pass unseen. Command
 * ids are unique per job alone, and the same command may be sent twice at once: the first answer is right for all who wait
 * for it. Of two commands of different types under one id each waits for its own. An answer that nobody waits for is somebody
 * else's.
 */
import { OpenOnce } from '../core/open-once.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack } from '../core/records.ts';
import type { Delivery } from './delivery.ts';

type CommandKey = Pick<Ack, 'tenant' | 'jobId' | 'commandId' | 'type'>;
type Deps = { broker: Broker; codec: Pick<Codec, 'decodeAck'>; log: Log; topic: string };

const keyOf = ({ tenant, jobId, commandId }: CommandKey): string => JSON.stringify([tenant, jobId, commandId]);

export class Acks {
  private readonly tail: OpenOnce<Tail>;
  /** With the type of command that each waits for. */
  private readonly waiting = new Map<string, Map<Delivery, string | null>>();
  private readonly deps: Deps;

  constructor(deps: Deps) {
    this.deps = deps;
    this.tail = new OpenOnce(
      () => this.read(),
      (tail) => tail.close(),
    );
  }

  /** Resolves when answers to what is sent from now on will be seen. @throws BelfryError of the broker port, `closed` */
  async open(): Promise<void> {
    await this.tail.get();
  }

  /** The answer to the command, when it comes, is the delivery's. */
  expect(command: CommandKey, delivery: Delivery): void {
    const key = keyOf(command);
    const waiting = this.waiting.get(key) ?? new Map<Delivery, string | null>();
    this.waiting.set(key, waiting.set(delivery, command.type ?? null));
    delivery.onEnd(() => {
      waiting.delete(delivery);
      if (waiting.size === 0 && this.waiting.get(key) === waiting) this.waiting.delete(key);
    });
  }

  close(): Promise<void> {
    return this.tail.close();
  }

  private read(): Promise<Tail> {
    const { broker, topic, codec, log } = this.deps;
    return broker.tail({
      topics: [topic],
      from: 'end',
      isolation: 'read_uncommitted',
      onRecord: ({ value }) => {
        if (value === null) return undefined;
        return codec.decodeAck(value).then(
          (ack) => this.tell(ack),
          (error: unknown) => log.warn({ err: error }, 'an answer on the acks topic could not be read'),
        );
      },
    });
  }

  private tell(ack: Ack): void {
    const { type = null } = ack;
    for (const [delivery, wanted] of [...(this.waiting.get(keyOf(ack)) ?? [])])
      if (type === null || wanted === null || type === wanted) delivery.answer(ack);
  }
}
