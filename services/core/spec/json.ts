/**
 * JSON as every door of Belfry reads it: Kafka, the HTTP API, the command line, event sources. What JSON.parse would change
 * without a word is refused, and `__proto__` is a key like any other.
 *
 * It costs as much as JSON.parse, but for texts that may hold such a number.
 */
import { messageOf } from '../errors.ts';
import type { Path } from './problems.ts';

/** Why bytes are no JSON that can be taken: the place, and the rest of a sentence that begins with it. */
export type JsonFault = { code: 'unreadable' | 'invalid'; path: Path; message: string };
export type ReadJson = { value: unknown } | { fault: JsonFault };

const UTF8 = new TextDecoder('utf-8', { fatal: true });
const MAX_SHOWN = 40;

/** A number of 16 digits may be beyond 2^53, one with three digits in its exponent beyond what a double holds. */
const SUSPICIOUS = /(?:^|[[:,\s])-?(?:\d{16}|[\d.]+[eE]\+?\d{3})/;
const WHOLE = /^-?\d+$/;
/** Texts, numbers and marks of valid JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],:]/g;

/** Reads bytes that are to be UTF-8. */
export function readJsonBytes(bytes: Uint8Array): ReadJson {
  const text = readUtf8(bytes);
  return text === undefined ? unreadable('is not UTF-8 text') : readJson(text);
}

/** The text that the bytes are; undefined: they are not UTF-8. */
export function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined; // the TypeError says no more than this
  }
}

/** Reads text. */
export function readJson(text: string): ReadJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    return unreadable(`is not JSON: ${messageOf(thrown).slice(0, 200)}`);
  }
  const fault = SUSPICIOUS.test(text) ? changedIn(text) : undefined;
  return fault === undefined ? { value } : { fault };
}

/** The first number of a JSON text that is another one in JavaScript. */
function changedIn(text: string): JsonFault | undefined {
  /** Where the scan is: keys as they are written, and indexes. */
  const path: (string | number)[] = [];
  let lastText = '';
  for (const [token] of text.matchAll(TOKENS)) {
    const at = path.length - 1;
    if (token === '{') path.push('');
    else if (token === '[') path.push(0);
    else if (token === '}' || token === ']') path.pop();
    else if (token === ':') path[at] = lastText;
    else if (token === ',') path[at] = typeof path[at] === 'number' ? path[at] + 1 : '';
    else if (token.startsWith('"')) lastText = token;
    else if (!isKept(Number(token), token)) return faultOf(token, path);
  }
  return undefined;
}

function faultOf(source: string, path: readonly (string | number)[]): JsonFault {
  const shown = source.length > MAX_SHOWN ? `${source.slice(0, MAX_SHOWN)}…` : source;
  const problem = Number.isFinite(Number(source)) ? 'has more digits than a number keeps' : 'is larger than any number';
  const keys = path.map((key) => (typeof key === 'number' ? key : (JSON.parse(key) as string)));
  return { code: 'invalid', path: keys, message: `is ${shown}, which ${problem}: send it as text` };
}

/** Whole numbers as they are, or as JavaScript writes the one that it makes of them: its own JSON comes back unchanged. */
function isKept(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false;
  if (Number.isSafeInteger(value) || !WHOLE.test(source)) return true;
  return String(value) === source || BigInt(source) === BigInt(value);
}

function unreadable(message: string): ReadJson {
  return { fault: { code: 'unreadable', path: [], message } };
}
