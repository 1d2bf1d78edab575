/** JSON that people write: what a parser would swallow is said. */
import { readJson } from '../core/spec/json.ts';
import { fieldOf } from '../core/spec/problems.ts';
import { usageError } from './exit.ts';

/** Texts and marks; what else there is (numbers, words) is of no concern here. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/**
 * @param what it is, for messages: `The file job.json`
 * @param unread what is said of it where it is no JSON
 * @throws BelfryError `usage` for what is no JSON, or has a key twice
 */
export function parseJson(what: string, text: string, unread = 'is no JSON'): unknown {
  const read = readJson(text);
  if ('fault' in read) {
    const { code, path, message } = read.fault;
    if (code === 'unreadable') throw usageError(`${what} ${unread}: it ${message}`);
    throw usageError(`${what}: ${fieldOf(path) || 'it'} ${message}.`);
  }
  const key = repeatedKey(text);
  if (key !== undefined) throw usageError(`${what} has the key ${JSON.stringify(key)} twice in one object.`);
  return read.value;
}

/** The first key that an object has twice, of which JSON.parse keeps the latter without a word. @param text valid JSON */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') last = token;
    else {
      const key = JSON.parse(last) as string;
      if (open.at(-1)?.has(key)) return key;
      open.at(-1)?.add(key);
    }
  }
  return undefined;
}
