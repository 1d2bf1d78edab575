/** Reads an answer, as far as it is kept. */
import type { Dispatcher } from 'undici';
import { withoutSecrets } from './secrets.ts';

/** More of an answer is not kept: results are for people and small programs, and end at 64 KiB as JSON. */
export const MAX_BODY_BYTES = 48 * 1024;

export type HttpResult = { status: number; contentType: string | null; body: string; bodyTruncated?: true };

/**
 * @param secrets texts that were sent, not to be shown again
 * @throws what the connection throws when it breaks, and the reason of the request's signal
 */
export async function readAnswer(response: Dispatcher.ResponseData, secrets: readonly string[]): Promise<HttpResult> {
  const { text, rest } = await readText(response);
  const cleaned = Buffer.from(withoutSecrets(text, secrets));
  const contentType = response.headers['content-type'];
  return {
    status: response.statusCode,
    contentType: typeof contentType === 'string' ? contentType : null,
    body: cut(cleaned),
    ...(rest || cleaned.length > MAX_BODY_BYTES ? { bodyTruncated: true } : {}),
  };
}

async function readText(response: Dispatcher.ResponseData): Promise<{ text: string; rest: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_BODY_BYTES) break; // leaving the loop destroys the stream: the rest is never read
  }
  return { text: Buffer.concat(chunks).toString('utf8'), rest: length > MAX_BODY_BYTES };
}

/** Not through the middle of a character. */
function cut(bytes: Buffer): string {
  if (bytes.length <= MAX_BODY_BYTES) return bytes.toString('utf8');
  let end = MAX_BODY_BYTES;
  while ((bytes[end]! & 0b1100_0000) === 0b1000_0000) end -= 1;
  return bytes.toString('utf8', 0, end);
}
