import type { RetryPolicy } from './model.ts';

/**
 * How long to wait before a retry: initialDelay · factor^(n−1), at most maxDelay, then shortened or lengthened by the
 * policy's share, so that retries that wait the maximum are spread, too.
 * @param retryNumber n, from 1
 * @param random01 decides the jitter: 0 shortens the most, 1 lengthens the most
 * @returns whole milliseconds
 */
export function retryDelayMs(policy: RetryPolicy, retryNumber: number, random01: number): number {
  // A large power is infinite, and 0 · Infinity is not a number.
  const growth = Math.min(policy.factor ** (retryNumber - 1), Number.MAX_VALUE);
  const delayMs = Math.min(policy.initialDelayMs * growth, policy.maxDelayMs);
  return Math.round(delayMs * (1 + policy.jitter * (2 * random01 - 1)));
}
