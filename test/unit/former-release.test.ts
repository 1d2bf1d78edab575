/** What a rolling upgrade may count on, as far as files tell. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { FORMER_SCHEMA_VERSION, formerFile, formerFiles, formerRelease } from '../support/former-release.ts';

test('an SQL file that was released is never edited, renamed or removed: databases have applied it', async () => {
  for (const path of await formerFiles('schemas/sql/')) {
    const now = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8').catch(() => 'it is gone');
    assert.equal(now, await formerFile(path), path);
  }
});

test('the former release brings the SQL files that this one says', async () => {
  const numbers = (await formerFiles('schemas/sql/')).map((path) => Number(/\/(\d{3})-/.exec(path)?.[1]));
  assert.equal(Math.max(...numbers), FORMER_SCHEMA_VERSION);
});

test('a clone without the history says what to do', async () => {
  await assert.rejects(
    formerRelease('0'.repeat(40)),
    /commit 0{40}, which this clone does not have.*git fetch --unshallow/,
  );
});
