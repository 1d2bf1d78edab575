/**
 * Transactional ids as Kafka's coordinator keeps them. Only the epoch fences: whoever initialises an id ends what its former
 * holder left open, and everything that one does afterwards is refused.
 */
import { BelfryError } from '../../core/errors.ts';
import type { GroupOffset } from '../../core/ports/broker.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { LogTransaction } from './broker-log.ts';

/** The broker ends a transaction by itself after this. */
const TRANSACTION_TIMEOUT_MS = 12_000;

type Holder = { epoch: number; open: LogTransaction | null; cancelTimeout: () => void };

export class MemoryTransactions {
  private readonly clock: Clock;
  private readonly commitOffset: (offset: GroupOffset) => void;
  /** Called when records may have become visible. */
  private readonly onEnd: () => void;
  private readonly holders = new Map<string, Holder>();

  constructor(clock: Clock, commitOffset: (offset: GroupOffset) => void, onEnd: () => void) {
    this.clock = clock;
    this.commitOffset = commitOffset;
    this.onEnd = onEnd;
  }

  /** Answers the new epoch. */
  init(transactionalId: string): number {
    const holder = this.holder(transactionalId);
    this.end(holder, 'aborted');
    holder.epoch += 1;
    return holder.epoch;
  }

  /** @throws BelfryError `producer_fenced` */
  begin(transactionalId: string, epoch: number): LogTransaction {
    const holder = this.requireCurrent(transactionalId, epoch);
    holder.open = { transactionalId, state: 'open', parts: new Set(), offsets: [] };
    holder.cancelTimeout = this.clock.after(TRANSACTION_TIMEOUT_MS, () => this.init(transactionalId));
    return holder.open;
  }

  /** @throws BelfryError `producer_fenced` */
  commit(transactionalId: string, epoch: number): void {
    this.end(this.requireCurrent(transactionalId, epoch), 'committed');
  }

  private end(holder: Holder, state: 'committed' | 'aborted'): void {
    const { open } = holder;
    holder.cancelTimeout();
    holder.open = null;
    if (!open) return;
    open.state = state;
    for (const part of open.parts) part.mark();
    if (state === 'committed') for (const offset of open.offsets) this.commitOffset(offset);
    this.onEnd();
  }

  private requireCurrent(transactionalId: string, epoch: number): Holder {
    const holder = this.holder(transactionalId);
    if (holder.epoch === epoch) return holder;
    throw new BelfryError('producer_fenced', `${transactionalId} was taken over by another process.`);
  }

  private holder(transactionalId: string): Holder {
    let holder = this.holders.get(transactionalId);
    if (!holder) this.holders.set(transactionalId, (holder = { epoch: 0, open: null, cancelTimeout: () => undefined }));
    return holder;
  }
}
