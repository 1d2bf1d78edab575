/** The table of error codes, the guide beside it, and who uses them. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS, factsOf, readErrorCode, type ErrorCode, type ErrorFacts } from '../../services/core/error-codes.ts';
import { REJECTION_CODES } from '../../services/core/records.ts';
import { exitCodeOf } from '../../services/cli/exit.ts';
import { problem } from '../../services/api/problem.ts';
import { BelfryError } from '../../services/core/errors.ts';

const ROOT = new URL('../../', import.meta.url);
const codes = Object.keys(ERRORS) as ErrorCode[];
const table: Readonly<Record<string, ErrorFacts>> = ERRORS;

void test('the guide has a line for every code, and says what the table says', () => {
  const guide = readFileSync(new URL('services/core/ERRORS.md', ROOT), 'utf8');
  const lines = [...guide.matchAll(/^\| `([a-z_]+)` \| (\w+) \| (\d+|–) \| (\d) \| (.+) \|$/gm)].map(
    ([, code, kind, status, exit, text]) => [code, kind, status === '–' ? null : Number(status), Number(exit), text],
  );
  const expected = codes.map((code) => {
    const { kind, status, exit, text } = table[code]!;
    return [code, kind, status, exit, text];
  });
  assert.deepEqual(lines, expected);
});

void test('every code is used', () => {
  const files = globSync(['services/**/*.ts', 'infra/**/*.ts'], { cwd: ROOT.pathname });
  const own = files.filter((path) => !path.endsWith('core/error-codes.ts'));
  const text = own.map((path) => readFileSync(new URL(path, ROOT), 'utf8')).join('\n');
  assert.deepEqual(
    codes.filter((code) => !new RegExp(`['\`]${code}['\`]`).test(text)),
    [],
  );
});

void test('a rejected command is told as such over HTTP and by the command line', () => {
  for (const code of REJECTION_CODES) {
    const { status, kind } = factsOf(code);
    assert.ok(status !== null && status >= 400 && status < 500, code);
    assert.equal(exitCodeOf(new BelfryError(code, 'no')), kind === 'missing' ? 4 : 3, code);
    assert.equal(problem(code, 'no').status, status);
  }
});

void test('what is away can be tried again, and nothing else says so', () => {
  for (const code of codes) {
    const { kind, status } = table[code]!;
    if (kind === 'unavailable') assert.ok(status === null || status === 503 || status === 429, code);
    if (status === 503 && kind !== 'unavailable') assert.equal(kind, 'configuration', code);
  }
});

void test('a code that is not known is a fault of ours, and breaks nothing', () => {
  assert.equal(readErrorCode('of_a_newer_release'), 'api_unreadable');
  assert.equal(exitCodeOf(new BelfryError('toString' as ErrorCode, 'no')), 1);
  assert.equal(problem('toString' as ErrorCode, 'no').status, 500);
});
