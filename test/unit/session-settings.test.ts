/** What a pooler has to set for Belfry is in the README, to be copied. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sessionSettings } from '../../services/adapters/postgres/pool.ts';

test("the README's connect_query is what Belfry's sessions need", async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, told] = /connect_query='([^']*)'/.exec(readme) ?? [];
  assert.equal(told?.replace(/\s+/g, ' '), sessionSettings({ schema: 'belfry' }));
});
