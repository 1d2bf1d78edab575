/**
 * One command on its way. A single deadline, from the call on, bounds all that is done for it, and how far it has come by then is what
 * its sender is told: nothing happened, it may have been applied, or it is durable and waits for a timer.
 */
import type { ErrorCode } from '../core/error-codes.ts';
import { BelfryError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Ack } from '../core/records.ts';

/** `waiting`: nothing has left this process. `sent`: nobody has confirmed it yet. `durable`: only its answer is missing. */
export type Stage = 'waiting' | 'sent' | 'durable';

/** What is said of a command that may have had its effect. */
export const SAFE_TO_REPEAT = 'Sending it again with the same commandId is safe.';

/** What a command's sender is told when its time is up: a code, and a message. */
export type TooLate = (stage: Stage, timeoutMs: number) => [code: ErrorCode, message: string];

export class Delivery {
  readonly commandId: string;
  readonly ended: Promise<Ack>;
  readonly timeoutMs: number;
  readonly deadline: number;
  stage: Stage = 'waiting';
  isOver = false;
  private readonly settle: PromiseWithResolvers<Ack>;
  private readonly cleanups: (() => void)[] = [];

  /** @param timeoutMs from now on, ms */
  constructor(clock: Clock, commandId: string, timeoutMs: number, tooLate: TooLate) {
    this.commandId = commandId;
    this.timeoutMs = timeoutMs;
    this.deadline = clock.now() + timeoutMs;
    this.settle = Promise.withResolvers();
    this.ended = this.settle.promise;
    const cancel = clock.after(timeoutMs, () => this.giveUp(...tooLate(this.stage, timeoutMs)));
    this.onEnd(cancel);
  }

  answer(ack: Ack): void {
    if (this.end()) this.settle.resolve(ack);
  }

  fail(error: unknown): void {
    if (this.end()) this.settle.reject(error);
  }

  /** Its sender may try again. */
  giveUp(code: ErrorCode, message: string): void {
    this.fail(new BelfryError(code, message, { retryable: true, ids: { commandId: this.commandId } }));
  }

  /** The client is closed while it is under way. */
  close(): void {
    const doubt = this.stage === 'waiting' ? 'It was not sent.' : `It may have been applied. ${SAFE_TO_REPEAT}`;
    this.giveUp('closed', `The client was closed before the command was answered. ${doubt}`);
  }

  /** Called once when it is over, at once if it is. */
  onEnd(cleanup: () => void): void {
    if (this.isOver) cleanup();
    else this.cleanups.push(cleanup);
  }

  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    for (const cleanup of this.cleanups.splice(0)) cleanup();
    return true;
  }
}
