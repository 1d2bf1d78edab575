/**
 * Waits for answers on job.commands.acks.
 *
 * Invariant: the reader's position is fixed before the first command goes out, so that no answer can pass unseen. One
 * waiter per command id; an answer without one is somebody else's.
 */
import { BelfryError } from '../core/errors.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack } from '../core/records.ts';

type Waiter = { resolve(ack: Ack): void; reject(error: Error): void; cancelTimer(): void };

export class Acks {
  private tail: Promise<Tail> | undefined;
  private readonly waiters = new Map<string, Waiter>();
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

  /** @throws BelfryError `no_answer` after `timeoutMs`: the command is written and will be applied when a timer is there */
  wait(commandId: string, timeoutMs: number): Promise<Ack> {
    return new Promise((resolve, reject) => {
      const cancelTimer = this.deps.clock.after(timeoutMs, () => {
        this.waiters.delete(commandId);
        reject(
          new BelfryError(
            'no_answer',
            `No answer came within ${timeoutMs} ms. The command is on ${this.deps.topic.replace(/\.acks$/, '')} and will be applied when a timer service runs; sending it again with the same commandId is safe.`,
            {
              retryable: true,
              ids: { commandId },
            },
          ),
        );
      });
      this.waiters.set(commandId, { resolve, reject, cancelTimer });
    });
  }

  /** Gives up waiting because the command was never written. */
  forget(commandId: string): void {
    this.waiters.get(commandId)?.cancelTimer();
    this.waiters.delete(commandId);
  }

  async close(): Promise<void> {
    for (const [commandId, waiter] of this.waiters) {
      waiter.cancelTimer();
      waiter.reject(
        new BelfryError('closed', 'The client was closed before the answer came.', {
          retryable: true,
          ids: { commandId },
        }),
      );
    }
    this.waiters.clear();
    await (await this.tail)?.close();
  }

  private read(bytes: Buffer): void {
    this.deps.codec.decodeAck(bytes).then(
      (ack) => {
        const waiter = this.waiters.get(ack.commandId);
        if (waiter === undefined) return;
        this.waiters.delete(ack.commandId);
        waiter.cancelTimer();
        waiter.resolve(ack);
      },
      (error: unknown) => this.deps.log.warn({ err: error }, 'an answer on the acks topic could not be read'),
    );
  }
}
