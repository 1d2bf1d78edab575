import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeCli } from './support.ts';

describe('belfry tenants', () => {
  it('sets, shows, lists and removes quotas', async () => {
    const cli = new FakeCli();
    const partitions = async (topic: string) => (topic === 'job.due.acme.medium' ? 1 : undefined);
    cli.broker = () => ({ partitions }) as unknown as ReturnType<typeof cli.broker>;
    assert.equal(await cli.run('tenants', 'set', 'acme', '--queue', 'nowhere'), 4);
    assert.equal(await cli.run('tenants', 'set', 'acme', '--jobs', '10', '--min-interval', '1m', '--queue', 'acme'), 0);
    assert.equal(await cli.run('tenants', 'set', 'acme', '--jobs', 'none', '--json'), 0);
    const set = JSON.parse(cli.out.at(-1)!) as Record<string, unknown>;
    assert.deepEqual([set.jobs, set.minInterval, set.queue], [null, '1m', 'acme']);
    assert.equal(await cli.run('tenants', 'list'), 0);
    assert.match(cli.out.at(-1)!, /acme .* 1m .* acme/);
    assert.equal(await cli.run('tenants', 'show', 'acme'), 0);
    assert.equal(await cli.run('tenants', 'remove', 'acme'), 0);
    assert.equal(await cli.run('tenants', 'show', 'acme'), 4);
  });

  it('says what is wrong with a quota', async () => {
    const cli = new FakeCli();
    assert.equal(await cli.run('tenants', 'set', 'acme', '--jobs', 'many'), 2);
    assert.match(cli.err.join(' '), /--jobs must be a whole number/);
    assert.equal(await cli.run('tenants', 'set', 'acme'), 2);
  });
});
