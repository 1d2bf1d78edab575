import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { startPostgres } from '../../infra/embedded/postgres.ts';
import { query, temporaryFolder } from './fixtures.ts';

void test('PostgreSQL starts after a crash whose pid another process of the same account has got since', async () => {
  await using folder = await temporaryFolder();
  const dataDir = folder.path;
  const crashed = await startPostgres({ dataDir });
  await crashed.kill();

  const cluster = join(dataDir, 'data');
  const { uid, gid } = await stat(cluster);
  const account = process.getuid?.() === 0 ? { uid, gid } : {};
  const stranger = spawn('/bin/sleep', ['60'], { stdio: 'ignore', ...account });
  try {
    const lockFile = join(cluster, 'postmaster.pid');
    await writeFile(lockFile, (await readFile(lockFile, 'utf8')).replace(/^.*/, String(stranger.pid)));
    const postgres = await startPostgres({ dataDir, port: crashed.port });
    assert.equal(postgres.url, crashed.url);
    assert.deepEqual(await query(postgres.url, 'SELECT 1 AS one'), [{ one: 1 }]);
    await postgres.stop();
  } finally {
    stranger.kill();
  }
});
