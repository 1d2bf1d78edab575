import { messageOf } from '../core/errors.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { RunStore } from '../core/ports/run-store.ts';
import { untilKnown } from './until-known.ts';

/**
 * Marks leases dead that ran out. Who marks one also ends its open Kafka transaction, or else readers of committed
 * records wait for that until the broker gives it up; done in the background, since correctness does not depend on it.
 */
export class Undertaker {
  private readonly deps: { store: RunStore; broker: Broker; clock: Clock; log: Log; goOn: () => boolean };

  constructor(deps: Undertaker['deps']) {
    this.deps = deps;
  }

  /** @param executors whose leases seem to have run out; the store's clock decides */
  async bury(executors: readonly string[]): Promise<void> {
    const unique = [...new Set(executors)];
    if (unique.length === 0) return;
    const { store, log, goOn } = this.deps;
    const marked = await untilKnown(this.deps, 'marking leases dead', () => store.markDead(unique), goOn);
    for (const { executor, transactionalId } of marked ?? []) {
      log.warn({ executor }, 'the lease of an executor ran out, its runs are taken over');
      void this.fence(transactionalId);
    }
  }

  private async fence(transactionalId: string): Promise<void> {
    const { broker, log, goOn } = this.deps;
    try {
      await untilKnown(this.deps, 'fencing', () => broker.fence(transactionalId), goOn);
    } catch (error) {
      log.error(
        { transactionalId, reason: messageOf(error) },
        'a dead executor was not fenced, its open transaction will time out',
      );
    }
  }
}
