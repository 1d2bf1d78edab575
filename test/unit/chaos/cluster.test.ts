import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Cluster } from '../../chaos/cluster.ts';

describe('the cluster of a chaos run', () => {
  it('leaves nothing open when it does not start', { timeout: 10_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-no-cluster-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, 'servers')); // somebody else's
    const listening = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
    const before = listening();
    const start = Cluster.start({
      ...{ folder, seed: 1, brokers: 1, fakeTime: null, releases: null, encoding: 'json' },
      log: () => undefined,
    });
    await assert.rejects(start, { code: 'EEXIST' });
    // Handles go some turns after they are closed.
    while (listening() > before) await new Promise((resolve) => setImmediate(resolve));
  });
});
