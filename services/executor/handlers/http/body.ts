/**
 * Reads the body of an answer as far as it is kept: whatever the server packs into it, no more is held or unpacked than the
 * limit, and the rest is never read.
 */
import { pipeline, Readable, type Duplex } from 'node:stream';
import { createBrotliDecompress, createInflate, createInflateRaw, createUnzip } from 'node:zlib';

/** `isPacked`: as it came, because nobody here knows its coding, or it does not keep to it. */
export type Body = { bytes: Buffer; rest: boolean; isPacked: boolean };

/** A body that is packed is smaller than what it holds: one that goes on longer than this unpacks to nothing. */
const MAX_PACKED_BYTES = 1024 * 1024;
const MAX_CODINGS = 3;

/**
 * @param contentEncoding the header: codings in the order in which they were applied
 * @param limit bytes that are kept
 * @throws what the connection throws when it breaks
 */
export async function readBody(body: Readable, contentEncoding: string, limit: number): Promise<Body> {
  const codings = contentEncoding
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity');
  const source = new PackedBody(body, limit);
  if (codings.length === 0) return { ...(await firstOf(source.chunks(Infinity), limit)), isPacked: false };
  const first = await source.peek();
  const decoders = codings.reverse().map((coding, index) => decoderOf(coding, index === 0 ? first : undefined));
  if (decoders.length <= MAX_CODINGS && decoders.every((decoder) => decoder !== undefined)) {
    try {
      return { ...(await firstOf(unpacked(source, decoders), limit)), isPacked: false };
    } catch (error) {
      // Not what its header says, or broken off in the middle; an answer without a body may bear the header, too.
      if (source.broken) throw error;
      if (source.isEmpty) return { bytes: Buffer.alloc(0), rest: false, isPacked: false };
    }
  } else {
    await firstOf(source.chunks(limit + 1), limit);
  }
  return { ...source.head(), isPacked: true };
}

/** The body as it comes, of which the beginning is remembered. */
class PackedBody {
  /** The connection failed. */
  broken = false;
  private readonly body: Readable;
  private readonly limit: number;
  private readonly iterator: AsyncIterator<Buffer>;
  private readonly kept: Buffer[] = [];
  private length = 0;
  private peeked: IteratorResult<Buffer> | undefined;

  constructor(body: Readable, limit: number) {
    this.body = body;
    this.limit = limit;
    this.iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  async peek(): Promise<Buffer | undefined> {
    this.peeked = await this.next();
    return this.peeked.done === true ? undefined : this.peeked.value;
  }

  /** Ends after `most` bytes. */
  async *chunks(most: number): AsyncGenerator<Buffer> {
    try {
      let result = this.peeked ?? (await this.next());
      for (; result.done !== true && this.length <= most; result = await this.next()) yield result.value;
      if (result.done !== true) yield result.value;
    } finally {
      this.body.destroy();
    }
  }

  head(): Pick<Body, 'bytes' | 'rest'> {
    return { bytes: Buffer.concat(this.kept).subarray(0, this.limit), rest: this.length > this.limit };
  }

  private async next(): Promise<IteratorResult<Buffer>> {
    try {
      const result = await this.iterator.next();
      if (result.done !== true) {
        if (this.length <= this.limit) this.kept.push(result.value);
        this.length += result.value.length;
      }
      return result;
    } catch (error) {
      this.broken = true;
      throw error;
    }
  }
}

function unpacked(source: PackedBody, decoders: readonly Duplex[]): AsyncIterable<Buffer> {
  // Errors end every stream of it, and so reach whoever reads the last one.
  const packed = Readable.from(source.chunks(MAX_PACKED_BYTES), { objectMode: false });
  return pipeline([packed, ...decoders], () => undefined) as Duplex;
}

function decoderOf(coding: string, first: Buffer | undefined): Duplex | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createUnzip();
    case 'deflate':
      // Some servers send it without the frame that the standard asks for.
      return first !== undefined && (first[0]! & 0x0f) !== 8 ? createInflateRaw() : createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      return undefined;
  }
}

/** The first `limit` bytes. */
async function firstOf(chunks: AsyncIterable<Buffer>, limit: number): Promise<Pick<Body, 'bytes' | 'rest'>> {
  const kept: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    kept.push(chunk);
    length += chunk.length;
    if (length > limit) break; // leaving the loop destroys the streams: the rest is never read
  }
  return { bytes: Buffer.concat(kept).subarray(0, limit), rest: length > limit };
}
