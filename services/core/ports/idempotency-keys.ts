/**
 * What each `Idempotency-Key` of a tenant stood for first. Implementations: `adapters/postgres`, `adapters/memory`.
 *
 * Errors: BelfryError `store_unavailable` (retryable).
 */
export interface IdempotencyKeys {
  /**
   * Takes a key for a request, or finds that it has it. Of requests that come at once one is first, in whichever process.
   * @param fingerprint of the request: the same for the same request
   * @returns false: it stands for another request; remembered for a day at least
   */
  claim(tenant: string, key: string, fingerprint: string): Promise<boolean>;
}

/** Longer than the promised day, as of commands. */
export const IDEMPOTENCY_KEPT_MS = 25 * 3_600_000;
