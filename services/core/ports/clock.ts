/**
 * Time and chance come from outside, so that the same code runs in tests and in the simulation on a virtual clock.
 * Only `adapters/clock.ts` and `adapters/ids.ts` touch the real ones.
 */
export interface Clock {
  /** Milliseconds since the epoch, corrected by the database's clock; never ahead of it by design. */
  now(): number;
  /**
   * Resolves after `ms` (clamped to what timers can hold) or as soon as `signal` aborts; never rejects.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms`; the answer cancels it. */
  after(ms: number, fn: () => void): () => void;
}

export interface Ids {
  /** A random UUID. */
  uuid(): string;
  /** Uniform in [0, 1). */
  random(): number;
}
