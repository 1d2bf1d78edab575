/**
 * No regular expression that meets foreign text takes more than linear time in its length: those of the project, and of the
 * libraries that such text goes through. `recheck` finds out; what it finds not to be linear is accepted by name and with a
 * reason, or mended.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkSync } from 'recheck';
import { ACCEPTED } from './accepted.ts';
import { patternsIn, type Pattern } from './collect.ts';

const PATIENCE_MS = 3_000;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where text of tenants, of their servers and of their files goes. */
const LIBRARIES = [
  ...['cron-parser', 'luxon', 'yaml', 'zod', '@marcbachmann/cel-js', 'eventsource-parser', 'ipaddr.js', 'undici'],
  ...['fastify', 'find-my-way', 'secure-json-parse', 'fast-uri', '@fastify/proxy-addr', '@fastify/rate-limit'],
];

/** What is wrong with it; undefined: nothing that is known. Chance, which the checker uses, is the same each time. */
function faultOf({ source, flags }: Pattern): string | undefined {
  if (source === null) return 'put together at run time';
  const found = checkSync(source, flags.replace(/[dv]/g, ''), { timeout: PATIENCE_MS, randomSeed: 1 });
  return found.status === 'vulnerable' ? found.complexity.summary : undefined;
}

function keyOf({ source, file }: Pattern): string {
  return source ?? file;
}

function check(name: string, folder: string): void {
  const accepted = new Set((ACCEPTED[name] ?? []).map(({ pattern }) => pattern));
  // What libraries put together cannot be seen here.
  const found = patternsIn(`${root}${folder}`).filter(({ source }) => source !== null || name === 'own');
  assert.ok(found.length > 0 || name === '@fastify/rate-limit', 'there are patterns at all');
  const bad = found.flatMap((pattern) => {
    const fault = accepted.has(keyOf(pattern)) ? undefined : faultOf(pattern);
    return fault === undefined ? [] : [`${fault}: /${keyOf(pattern)}/ in ${pattern.file}`];
  });
  assert.deepEqual(bad, []);
  assert.deepEqual([...accepted.difference(new Set(found.map(keyOf)))], [], 'what is accepted is still there');
}

describe('patterns take no more than linear time', () => {
  it("the project's own", () => check('own', 'services'));
  for (const library of LIBRARIES) it(`those of ${library}`, () => check(library, `node_modules/${library}`));
});

it('the checker finds what is not linear', () => {
  assert.match(String(faultOf({ source: '^(a|a)*$', flags: '', file: 'x' })), /exponential/);
  assert.match(String(faultOf({ source: '(\\d*\\.?\\d*)(ns|us)', flags: '', file: 'x' })), /polynomial/);
});
