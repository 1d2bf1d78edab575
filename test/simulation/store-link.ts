/**
 * The way from a process to the store. A request that was sent takes effect whatever becomes of its sender; its answer may come
 * late, never, or as an error.
 */
import { BelfryError } from '../../services/core/errors.ts';
import type { RunStore, RunTransaction } from '../../services/core/ports/run-store.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';
import type { Process } from './process.ts';

/** A request without an answer is given up after this. */
const TIMEOUT_MS = 3_000;

/** A handler's writes, applied when its transaction commits. */
export type SinkClient = { write(row: { runId: string }): void };

export type LinkOptions = {
  process: Process;
  sim: VirtualTime;
  /** Called after each request that took effect. */
  onEffect: (call: string, args: readonly unknown[]) => void;
  /** A transaction committed these rows. */
  onCommitted: (rows: readonly { runId: string }[]) => void;
};

/** A store whose every method goes over the network. */
export function linked<S extends object>(store: S, options: LinkOptions): S {
  return new Proxy(store, {
    get: (target, name: string) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      if (name === 'transaction') return transactionOver(target as unknown as RunStore, options);
      return (...args: unknown[]) =>
        request(options, name, () => Reflect.apply(method, target, args) as Promise<unknown>, args);
    },
  });
}

function request<T>(options: LinkOptions, call: string, apply: () => Promise<T>, args: readonly unknown[]): Promise<T> {
  const { process, sim, onEffect } = options;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const link = process.links.store;
  const answer = (fn: () => void): unknown => sim.after(wayMs(process), () => process.hear(fn));
  const work = async (): Promise<void> => {
    try {
      process.spring('store', call, 'before');
      if (link.isCut) {
        answerLate(options, () => reject(away(call)));
        await process.untilHealed('store');
        if (process.random.chance(0.5)) return;
      } else if (process.refused.has(call) || (link.refuse > 0 && process.random.chance(link.refuse))) throw away(call);
      if (link.stall > 0 && process.random.chance(link.stall)) {
        answerLate(options, () => reject(away(call)));
        if (process.random.chance(0.5)) return;
        await apply();
        return onEffect(call, args);
      }
      const value = await apply();
      onEffect(call, args);
      process.spring('store', call, 'after');
      if (link.isCut) answerLate(options, () => reject(away(call)));
      else if (link.loseAnswer > 0 && process.random.chance(link.loseAnswer)) throw away(call);
      else answer(() => resolve(value));
    } catch (thrown) {
      answer(() => reject(thrown));
    }
  };
  if (process.state !== 'dead') sim.after(wayMs(process), () => void work());
  return promise;
}

/** The caller gives up; what it sent may still be on its way, and take effect when the way is open again. */
function answerLate({ process, sim }: LinkOptions, fn: () => void): void {
  sim.after(TIMEOUT_MS, () => process.hear(fn));
}

function wayMs(process: Process): number {
  const { delayMs } = process.links.store;
  return process.random.int(0, 2) + (delayMs > 0 ? process.random.int(0, delayMs) : 0);
}

/** As the adapter for PostgreSQL has it: of a step, nobody may guess. */
function away(call: string): BelfryError {
  const code = call === 'step' ? 'step_unclear' : 'store_unavailable';
  return new BelfryError(code, `${call}: the store is away`, { retryable: true });
}

/** The handler's work runs in the process between two requests; its rows are there when the commit was. */
function transactionOver(store: RunStore, options: LinkOptions): RunStore['transaction'] {
  const nothing = (): Promise<void> => Promise.resolve();
  return async (lease, timeoutMs, work) => {
    await request(options, 'begin', nothing, []);
    const rows: { runId: string }[] = [];
    const client: SinkClient = { write: (row) => void rows.push(row) };
    const runIds: string[] = [];
    const committed = store.transaction(lease, timeoutMs, (real) => {
      const settle: RunTransaction['settle'] = (settlement) => {
        runIds.push(settlement.runId);
        return request(options, 'settle-within', () => real.settle(settlement), []);
      };
      const enqueue: RunTransaction['enqueue'] = (command) =>
        request(options, 'enqueue-within', () => real.enqueue(command), []);
      return work({ client, settle, enqueue });
    });
    const value = await heard(
      options.process,
      committed.then((done) => {
        options.onCommitted(rows);
        options.onEffect('transaction', runIds);
        return done;
      }),
    );
    await request(options, 'commit', nothing, []);
    return value;
  };
}

/** What the store does by itself reaches the process as an answer does. */
function heard<T>(process: Process, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then(
      (value) => process.hear(() => resolve(value)),
      (error: Error) => process.hear(() => reject(error)),
    );
  });
}
