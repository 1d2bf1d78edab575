/**
 * Secrets of webhooks. Their holders write them as Standard Webhooks has it, `whsec_` and base64; stored they are sealed with the
 * deployment's key (AES-256-GCM), bound to their webhook, so that whoever reads or changes the table can sign nothing.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { BelfryError } from './errors.ts';

const PREFIX = 'whsec_';
/** Of a secret that Belfry makes. */
export const SECRET_BYTES = 32;
/** As Standard Webhooks wants it. */
const LEAST_BYTES = 24;
const MOST_BYTES = 64;

const CIPHER = 'aes-256-gcm';
export const SEAL_KEY_BYTES = 32;
export const SEAL_NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'v1.';

/** @param random SECRET_BYTES random bytes */
export function makeSecret(random: Buffer): string {
  return `${PREFIX}${random.toString('base64')}`;
}

/** The key of the signatures; undefined when the text is no secret. */
export function secretBytesOf(text: string): Buffer | undefined {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : '';
  const bytes = Buffer.from(encoded, 'base64');
  const isCanonical = bytes.toString('base64') === encoded;
  return isCanonical && bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES ? bytes : undefined;
}

/** What a sealed secret belongs to. */
export type Owner = { tenant: string; id: string };

/**
 * @param key SEAL_KEY_BYTES
 * @param nonce SEAL_NONCE_BYTES random bytes, never used before with this key
 */
export function seal(secret: string, owner: Owner, key: Buffer, nonce: Buffer): string {
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(boundTo(owner));
  const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${VERSION}${sealed.toString('base64')}`;
}

/** @throws BelfryError `webhook_key_wrong`: it was sealed with another key, or for another webhook */
export function unseal(sealed: string, owner: Owner, key: Buffer): string {
  try {
    const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64');
    const [nonce, tag] = [bytes.subarray(0, SEAL_NONCE_BYTES), bytes.subarray(-TAG_BYTES)];
    const opened = createDecipheriv(CIPHER, key, nonce).setAAD(boundTo(owner)).setAuthTag(tag);
    const secret = [opened.update(bytes.subarray(SEAL_NONCE_BYTES, -TAG_BYTES)), opened.final()];
    return Buffer.concat(secret).toString('utf8');
  } catch (cause) {
    const message = `The secret of the webhook ${owner.id} was sealed with another BELFRY_WEBHOOK_KEY: every process needs the same; or rotate the secret.`;
    throw new BelfryError('webhook_key_wrong', message, { retryable: true, cause });
  }
}

function boundTo({ tenant, id }: Owner): Buffer {
  return Buffer.from(`${tenant}/${id}`);
}
