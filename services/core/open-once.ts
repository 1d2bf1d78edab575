/**
 * Something that is opened when it is first asked for, and shared by everybody from then on.
 *
 * Invariant: a failure is forgotten before anybody hears of it, so that the next who asks tries again. After `close` nothing is
 * opened any more, and what was being opened meanwhile is closed.
 */
import { BelfryError } from './errors.ts';

export class OpenOnce<T> {
  private readonly open: () => Promise<T>;
  private readonly dispose: (opened: T) => Promise<void>;
  private opening: Promise<T> | undefined;
  private closed = false;

  /** @param dispose closes what was opened */
  constructor(open: () => Promise<T>, dispose: (opened: T) => Promise<void> = async () => undefined) {
    this.open = open;
    this.dispose = dispose;
  }

  /** @throws what opening throws; BelfryError `closed` (retryable) after `close` */
  async get(): Promise<T> {
    if (this.closed) throw new BelfryError('closed', 'It was closed already.', { retryable: true });
    if (this.opening === undefined) {
      const opening = this.open();
      this.opening = opening;
      opening.catch(() => {
        if (this.opening === opening) this.opening = undefined;
      });
    }
    return this.opening;
  }

  /** @throws what closing throws */
  async close(): Promise<void> {
    this.closed = true;
    const { opening } = this;
    this.opening = undefined;
    const opened = await opening?.then(
      (value) => ({ value }),
      () => undefined, // whoever asked for it was told
    );
    if (opened !== undefined) await this.dispose(opened.value);
  }
}
