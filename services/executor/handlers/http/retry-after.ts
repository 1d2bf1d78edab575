import { parseHttpDate } from './http-date.ts';

/** A server may not put a retry off for longer than this. */
const LONGEST_MS = 24 * 3_600_000;

/**
 * Reads a Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date.
 * @param now ms since the epoch
 * @returns ms to wait at least; 0 when there is no such header or it makes no sense
 */
export function retryAfterMs(header: string | string[] | undefined, now: number): number {
  if (typeof header !== 'string') return 0;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : (parseHttpDate(text, now) ?? now) - now;
  return Math.min(Math.max(ms, 0), LONGEST_MS);
}
