import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeCli, ME } from './support.ts';

describe('belfry audit', () => {
  it('tells who changed what', async () => {
    const cli = new FakeCli();
    await cli.run('tenants', 'set', 'acme', '--jobs', '10', '--queue', 'none');
    await cli.run('keys', 'create', 'ci', '--scopes', 'read', '--tenant', 'acme', '--json');
    const secret = (JSON.parse(cli.out.at(-1)!) as { key: string }).key;
    cli.out.length = 0;
    assert.equal(await cli.run('audit', '--tenant', 'acme'), 0);
    assert.match(cli.stdout, /key\.create +acme +cli ada@host +prefix: ".{12}"; name: "ci"/);
    assert.match(cli.stdout, /tenant\.set +acme +cli ada@host +jobs: null → 10/);
    assert.ok(!cli.stdout.includes(secret));
  });

  it('narrows the list, and answers programs with one document', async () => {
    const cli = new FakeCli();
    const entry = { tenant: 'default', actor: ME, commandId: 'c', version: 2, changes: [] };
    for (const [jobId, action] of [
      ['a', 'pause'],
      ['b', 'cancel'],
    ] as const)
      await cli.audit.record({ ...entry, jobId, action });
    assert.equal(await cli.run('audit', '--job', 'b', '--action', 'cancel', '--actor', 'ada@host', '--json'), 0);
    const { entries, more } = cli.document<{ entries: { jobId: string; at: string }[]; more: boolean }>();
    assert.deepEqual([entries.map(({ jobId }) => jobId), more], [['b'], false]);
    assert.match(entries[0]!.at, /^\d{4}-.*Z$/);
  });

  it('says so when there is nothing', async () => {
    const cli = new FakeCli();
    assert.equal(await cli.run('audit'), 0);
    assert.match(cli.stdout, /nothing was changed/);
  });
});
