/**
 * Keys of the HTTP API, as their holders write them: `bfy_<prefix>_<secret>`. The prefix names the key in lists and finds it in
 * the store; of the secret, 256 random bits, only a hash is kept (random bits need no slow one).
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { ApiKey, StoredKey } from './ports/api-keys.ts';

const PREFIX_BYTES = 6;
const SECRET_BYTES = 32;
export const KEY_BYTES = PREFIX_BYTES + SECRET_BYTES;

const PATTERN = /^bfy_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
export const KEY_PREFIX = /^[0-9a-f]{12}$/;

/**
 * Makes a key.
 * @param random KEY_BYTES random bytes
 * @returns the text for its holder, which is shown once, and what is kept of it
 */
export function makeKey(random: Buffer): { text: string; prefix: string; hash: Buffer } {
  const prefix = random.toString('hex', 0, PREFIX_BYTES);
  const secret = random.toString('base64url', PREFIX_BYTES, KEY_BYTES);
  return { text: `bfy_${prefix}_${secret}`, prefix, hash: hash('sha256', secret, 'buffer') };
}

/** The prefix of a key, and a test for the one that is stored under it; undefined when the text is no key. */
export function readKey(text: string): { prefix: string; isOf(stored: StoredKey): boolean } | undefined {
  const [, prefix, secret] = PATTERN.exec(text) ?? [];
  if (prefix === undefined || secret === undefined) return undefined;
  const written = hash('sha256', secret, 'buffer');
  return { prefix, isOf: (stored) => stored.hash.length === written.length && timingSafeEqual(stored.hash, written) };
}

/** @param now ms */
export function isUsable({ revokedAt, expiresAt }: ApiKey, now: number): boolean {
  return revokedAt === null && (expiresAt === null || expiresAt > now);
}
