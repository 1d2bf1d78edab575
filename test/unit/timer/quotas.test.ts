import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryTenants } from '../../../services/adapters/memory/tenants.ts';
import type { Command } from '../../../services/core/command.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Job } from '../../../services/core/model.ts';
import type { Quotas } from '../../../services/core/ports/tenants.ts';
import { parseCommand } from '../../../services/core/spec/parse-command.ts';
import { TenantQuotas } from '../../../services/timer/quotas.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { Cluster } from './harness.ts';

const NOW = Date.UTC(2026, 0, 1);

function command(jobId: string, changes: object = {}): Command {
  const job = { type: 'CUSTOM', handler: 'work', schedule: { in: '1h' }, ...changes };
  const sent = { type: 'schedule', commandId: jobId, tenant: 'acme', jobId, job };
  const parsed = parseCommand(sent, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  assert.ok(!('rejection' in parsed), JSON.stringify(parsed));
  return parsed;
}

async function quotasOfAcme(quotas: Partial<Quotas>) {
  const clock = new VirtualClock(NOW);
  const db = new MemoryDatabase({ partitions: 1, now: () => clock.now() });
  const tenants = new MemoryTenants(db);
  await tenants.set('acme', quotas);
  const all = new TenantQuotas(tenants, clock);
  const refuse = async (sent: Command, before?: Job) => {
    await all.learn([sent]);
    return all.refuse(before, all.routed(sent), clock.now());
  };
  return { clock, db, tenants, all, refuse };
}

describe('quotas of a tenant', () => {
  it('count the jobs of the store and those accepted since, and notice within two seconds that some ended', async () => {
    const { refuse, clock, db } = await quotasOfAcme({ jobs: 3 });
    db.jobs.set('acme/a', { tenant: 'acme', state: 'SCHEDULED' } as Job);
    assert.equal(await refuse(command('b')), undefined);
    assert.equal(await refuse(command('c')), undefined);
    const refused = await refuse(command('d'));
    assert.deepEqual([refused?.code, refused?.field], ['quota', 'jobId']);
    assert.equal(await refuse(command('a'), { state: 'PAUSED' } as Job), undefined, 'it is counted already');
    await clock.advance(2_000);
    assert.equal(await refuse(command('d')), undefined, 'the store has only one: the others never got there');
  });

  it('bound payloads in bytes, and the gaps of a schedule', async () => {
    const { refuse } = await quotasOfAcme({ payloadBytes: 10, minIntervalMs: 60_000 });
    assert.equal(await refuse(command('a', { payload: '12345678' })), undefined);
    assert.match((await refuse(command('a', { payload: '1234567ü' })))?.message ?? '', /this one has 11/);
    const shortest = async (schedule: object): Promise<string | undefined> =>
      (await refuse(command('a', { schedule })))?.message;
    assert.equal(await shortest({ every: '1m' }), undefined);
    assert.equal(await shortest({ at: '2026-01-01T00:00:01Z' }), undefined);
    assert.match((await shortest({ fixedDelay: '59s' })) ?? '', /59s/);
    assert.match((await shortest({ cron: '0 0,1 9 * * *' })) ?? 'fine', /fine/, 'a minute apart');
    assert.match((await shortest({ cron: '0,30 0 9 * * *' })) ?? '', /30s/, 'twice in one minute of the day');
  });

  it('send jobs that name no queue to the tenant’s own, and refuse others', async () => {
    const { all, refuse } = await quotasOfAcme({ queue: 'acme' });
    await all.learn([command('a')]);
    const routed = all.routed(command('a'));
    assert.equal(routed.type === 'schedule' && routed.job.queue, 'acme');
    assert.equal(await refuse(command('a')), undefined);
    assert.equal((await refuse(command('a', { queue: 'other' })))?.field, 'job.queue');
  });

  it('are nothing to a tenant without any', async () => {
    const { tenants, refuse } = await quotasOfAcme({});
    await tenants.remove('acme');
    assert.equal(await refuse(command('a', { payload: 'x'.repeat(1_000), schedule: { every: '1s' } })), undefined);
  });

  it('count no job twice whose step had to be decided again', async () => {
    const cluster = await Cluster.up();
    await new MemoryTenants(cluster.db).set('acme', { jobs: 2 });
    let isLost = false;
    cluster.storeFault = (_, method, when) => {
      if (method !== 'step' || when !== 'before' || isLost) return;
      isLost = true;
      throw new BelfryError('step_unclear', 'connection lost', { retryable: true });
    };
    for (const jobId of ['a', 'b', 'c']) {
      const { outcome } = await cluster.put({ schedule: { in: '1h' } }, { jobId });
      assert.equal(outcome, jobId === 'c' ? 'rejected' : 'applied', jobId);
    }
    assert.ok(isLost);
  });
});
