/** What every timer store keeps of rejected records, and what people find there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_REJECTED_PER_TENANT, REJECTED_KEPT_MS, type RejectedRecord } from '../../services/core/rejected-record.ts';
import { newJobId, Owner, stepOf, T0, type TimerStoreHarness } from './timer-fixtures.ts';

let offsets = 0n;

export function timerStoreRejectedConformance(harness: () => TimerStoreHarness): void {
  const entry = (tenant: string | null, fields: Partial<RejectedRecord> = {}): RejectedRecord => ({
    ...{ topic: 'job.commands', partition: 0, offset: ++offsets, tenant, jobId: 'j-1', commandId: 'c-1' },
    ...{ code: 'unknown_job', message: 'there is no such job \u00fc', at: T0 },
    ...{ key: Buffer.from('acme/j-1'), size: 2, excerpt: Buffer.from([0, 255]) },
    ...fields,
  });
  const newTenant = (): string => newJobId().toLowerCase();

  describe('the index of rejected records', () => {
    test('has what a step rejected, as it was told, the latest first', async () => {
      const me = await Owner.take(harness().store, 0);
      const tenant = newTenant();
      const rejected = [
        entry(tenant),
        entry(tenant, { jobId: null, commandId: null, key: null, size: null, excerpt: null, at: T0 + 1 }),
      ];
      assert.ok(await me.step({ rejected }));
      assert.deepEqual(await harness().rejections.list({ tenant }, 10), [rejected[1], rejected[0]]);
      assert.deepEqual(await harness().rejections.list({ tenant, jobId: 'j-1' }, 10), [rejected[0]]);
      assert.deepEqual(await harness().rejections.list({ tenant }, 1), [rejected[1]]);
    });

    test('has nothing of a step that was refused', async () => {
      const me = await Owner.take(harness().store, 0);
      const tenant = newTenant();
      const stale = { ...me.ownership, epoch: me.ownership.epoch - 1 };
      assert.equal((await harness().store.step([stepOf(stale, { rejected: [entry(tenant)] })])).size, 0);
      assert.deepEqual(await harness().rejections.list({ tenant }, 10), []);
    });

    test('finds a record by where it came from, and has each once', async () => {
      const tenant = newTenant();
      const rejected = entry(tenant, { topic: 'job.due.high', partition: 7 });
      await harness().rejections.record([rejected]);
      await harness().rejections.record([{ ...rejected, message: 'told again' }]);
      assert.deepEqual(await harness().rejections.list({ tenant }, 10), [rejected]);
      assert.deepEqual(await harness().rejections.find(rejected), rejected);
      assert.equal(await harness().rejections.find({ ...rejected, topic: 'job.commands' }), undefined);
    });

    test('tells nobody of a record whose tenant is not known, but whoever asks for all', async () => {
      const rejected = entry(null);
      await harness().rejections.record([rejected]);
      const [latest] = await harness().rejections.list({}, 1);
      assert.deepEqual(latest, rejected);
    });

    test('keeps the latest of a tenant, however many are rejected, and all that others have', async () => {
      const me = await Owner.take(harness().store, 0);
      const [flooding, quiet] = [newTenant(), newTenant()];
      await me.step({ rejected: [entry(quiet)] });
      const many = Array.from({ length: MAX_REJECTED_PER_TENANT + 5 }, () => entry(flooding));
      await me.step({ rejected: many });
      await me.step({ rejected: [entry(flooding, { commandId: 'last' })] });
      const kept = await harness().rejections.list({ tenant: flooding }, 2 * MAX_REJECTED_PER_TENANT);
      assert.equal(kept.length, MAX_REJECTED_PER_TENANT);
      assert.equal(kept[0]?.commandId, 'last');
      assert.equal(kept.at(-1)?.offset, many[6]?.offset);
      assert.equal((await harness().rejections.list({ tenant: quiet }, 10)).length, 1);
    });

    test('forgets what is older than the topic keeps it', async () => {
      const tenant = newTenant();
      const now = await harness().store.databaseNow();
      const kept = entry(tenant, { at: now });
      await harness().rejections.record([entry(tenant, { at: now - REJECTED_KEPT_MS - 1 }), kept]);
      await harness().store.maintain(now, 3_600_000);
      assert.deepEqual(await harness().rejections.list({ tenant }, 10), [kept]);
    });
  });
}
