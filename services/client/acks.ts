/**
 * Waits for answers on job.commands.acks.
 *
 * Invariant: the reader's position is fixed before the first command goes out, so that no answer can pass unseen. Command
 * ids are unique per job alone, and the same command may be sent twice at once: the first answer is right for all who wait
 * for it. An answer that nobody waits for is somebody else's.
 */
import { BelfryError } from '../core/errors.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack } from '../core/records.ts';

type CommandKey = Pick<Ack, 'tenant' | 'jobId' | 'commandId'>;
type Waiter = {
  commandId: string;
  resolve: (ack: Ack) => void;
  reject: (error: Error) => void;
  cancelTimer: () => void;
};

const keyOf = ({ tenant, jobId, commandId }: CommandKey): string => JSON.stringify([tenant, jobId, commandId]);

export class Acks {
  private tail: Promise<Tail> | undefined;
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly deps: { broker: Broker; codec: Pick<Codec, 'decodeAck'>; clock: Clock; log: Log; topic: string };

  constructor(deps: { broker: Broker; codec: Pick<Codec, 'decodeAck'>; clock: Clock; log: Log; topic: string }) {
    this.deps = deps;
  }

  /** Resolves when answers to what is sent from now on will be seen. */
  async open(): Promise<void> {
    this.tail ??= this.deps.broker.tail({
      topics: [this.deps.topic],
      from: 'end',
      isolation: 'read_uncommitted',
      onRecord: (record) => {
        if (record.value !== null) this.read(record.value);
      },
    });
    await this.tail;
  }

  /**
   * @returns the answer, and `forget` for when the command was never written
   * @throws BelfryError `no_answer` after `timeoutMs`: the command is written and will be applied when a timer is there
   */
  wait(command: CommandKey, timeoutMs: number): { answer: Promise<Ack>; forget: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<Ack>();
    const { commandId } = command;
    const key = keyOf(command);
    const forget = (): void => {
      waiter.cancelTimer();
      const waiting = this.waiters.get(key);
      if (waiting?.delete(waiter) && waiting.size === 0) this.waiters.delete(key);
    };
    const cancelTimer = this.deps.clock.after(timeoutMs, () => {
      forget();
      reject(
        new BelfryError(
          'no_answer',
          `No answer came within ${timeoutMs} ms. The command is on ${this.deps.topic.replace(/\.acks$/, '')} and will be applied when a timer service runs; sending it again with the same commandId is safe.`,
          { retryable: true, ids: { commandId } },
        ),
      );
    });
    const waiter: Waiter = { commandId, resolve, reject, cancelTimer };
    this.waiters.set(key, (this.waiters.get(key) ?? new Set()).add(waiter));
    return { answer: promise, forget };
  }

  async close(): Promise<void> {
    const all = [...this.waiters.values()].flatMap((waiting) => [...waiting]);
    this.waiters.clear();
    for (const { commandId, cancelTimer, reject } of all) {
      cancelTimer();
      const message = 'The client was closed before the answer came.';
      reject(new BelfryError('closed', message, { retryable: true, ids: { commandId } }));
    }
    await (await this.tail)?.close();
  }

  private read(bytes: Buffer): void {
    this.deps.codec.decodeAck(bytes).then(
      (ack) => {
        const waiting = this.waiters.get(keyOf(ack)) ?? [];
        this.waiters.delete(keyOf(ack));
        for (const { cancelTimer, resolve } of waiting) {
          cancelTimer();
          resolve(ack);
        }
      },
      (error: unknown) => this.deps.log.warn({ err: error }, 'an answer on the acks topic could not be read'),
    );
  }
}
