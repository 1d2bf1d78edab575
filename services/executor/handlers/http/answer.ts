/** Reads an answer, as far as it is kept. */
import type { Dispatcher } from 'undici';
import { readBody } from './body.ts';
import { withoutSecrets } from './hide-secrets.ts';

/** More of an answer is not kept: results are for people and small programs, and end at 64 KiB as JSON. */
export const MAX_BODY_BYTES = 48 * 1024;
/** In base64 four characters stand for three bytes. */
const MAX_BASE64_BYTES = (MAX_BODY_BYTES / 4) * 3;

export type HttpResult = {
  status: number;
  contentType: string | null;
  body: string;
  bodyTruncated?: true;
  /** The body is no text that can be read (an image; a charset or a coding that is unknown here): it is its bytes. */
  bodyEncoding?: 'base64';
};

/**
 * @param secrets texts that were sent, not to be shown again
 * @throws what the connection throws when it breaks, and the reason of the request's signal
 */
export async function readAnswer(response: Dispatcher.ResponseData, secrets: readonly string[]): Promise<HttpResult> {
  const { headers, statusCode: status } = response;
  const sentType = typeof headers['content-type'] === 'string' ? headers['content-type'] : null;
  const contentType = sentType === null ? null : withoutSecrets(sentType, secrets);
  const coding = [headers['content-encoding'] ?? ''].flat().join(',');
  const { bytes, rest, isPacked } = await readBody(response.body, coding, MAX_BODY_BYTES);
  const text = isPacked ? undefined : decode(bytes, charsetOf(sentType), rest);
  if (text === undefined) return { status, contentType, ...asBase64(bytes, { rest, isPacked, secrets }) };
  const cleaned = Buffer.from(withoutSecrets(text, secrets, rest));
  const isCut = rest || cleaned.length > MAX_BODY_BYTES;
  return { status, contentType, body: cut(cleaned), ...(isCut && { bodyTruncated: true }) };
}

type Undecoded = { rest: boolean; isPacked: boolean; secrets: readonly string[] };

function asBase64(bytes: Buffer, { rest, isPacked, secrets }: Undecoded): Omit<HttpResult, 'status' | 'contentType'> {
  // In what cannot be unpacked a secret could not be seen: nothing of it is kept.
  const shown = isPacked && secrets.length > 0 ? Buffer.alloc(0) : withoutSecretBytes(bytes, secrets, rest);
  const isCut = rest || shown.length > MAX_BASE64_BYTES || shown.length < bytes.length;
  const body = shown.subarray(0, MAX_BASE64_BYTES).toString('base64');
  return { body, bodyEncoding: 'base64', ...(isCut && { bodyTruncated: true }) };
}

/** A character of latin1 is a byte. */
function withoutSecretBytes(bytes: Buffer, secrets: readonly string[], isPart: boolean): Buffer {
  const cleaned = withoutSecrets(bytes.toString('latin1'), secrets, isPart);
  return Buffer.from(cleaned, 'latin1');
}

function charsetOf(contentType: string | null): string {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8';
}

/** Undefined: the bytes are no text of that charset, or nobody knows it. @param isCut a character at the end may be cut */
function decode(bytes: Buffer, charset: string, isCut: boolean): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes, { stream: isCut });
  } catch {
    return undefined; // a TypeError or a RangeError, which say no more than this
  }
}

/** Not through the middle of a character. */
function cut(bytes: Buffer): string {
  if (bytes.length <= MAX_BODY_BYTES) return bytes.toString('utf8');
  let end = MAX_BODY_BYTES;
  while ((bytes[end]! & 0b1100_0000) === 0b1000_0000) end -= 1;
  return bytes.toString('utf8', 0, end);
}
