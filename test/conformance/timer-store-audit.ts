/** What every timer store tells the audit log, and what the log tells. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuditEntry } from '../../services/core/audit.ts';
import type { AuditFilter } from '../../services/core/ports/audit.ts';
import { newJobId, Owner, stepOf, T0, type TimerStoreHarness } from './timer-fixtures.ts';

export function timerStoreAuditConformance(harness: () => TimerStoreHarness): void {
  const entry = (jobId: string, fields: Partial<AuditEntry> = {}): AuditEntry => ({
    ...{ at: T0, tenant: 'default', jobId, action: 'schedule', commandId: 'c-1', version: 2 },
    actor: { kind: 'key', id: '0a1b2c3d4e5f', name: 'ci \u00fc' },
    changes: [
      { field: 'priority', from: 'low', to: 'high' },
      { field: 'labels.team', from: undefined, to: '\u0000' },
    ],
    ...fields,
  });
  const listed = async (filter: AuditFilter, limit = 100) => {
    const found = await harness().audit.list(filter, limit);
    return found.map(({ id: _, ...told }) => told);
  };

  describe('the audit log', () => {
    test('has the entries of a step, in their order, the latest first', async () => {
      const me = await Owner.take(harness().store, 0);
      const jobId = newJobId();
      const audit = [entry(jobId), entry(jobId, { action: 'pause', commandId: 'c-0', changes: [] }), entry(newJobId())];
      assert.ok(await me.step({ audit }));
      assert.deepEqual(await listed({ tenant: 'default', jobId }), [audit[1], audit[0]]);
    });

    test('has nothing of a step that was refused', async () => {
      const me = await Owner.take(harness().store, 0);
      const jobId = newJobId();
      const stale = stepOf({ ...me.ownership, epoch: me.ownership.epoch - 1 }, { audit: [entry(jobId)] });
      assert.equal((await harness().store.step([stale])).size, 0);
      assert.deepEqual(await listed({ jobId }), []);
    });

    test('takes what is no command, at the time of the store', async () => {
      const tenant = newJobId().toLowerCase();
      const actor = { kind: 'cli', id: null, name: 'ada' } as const;
      const told = {
        tenant,
        jobId: null,
        action: 'tenant.set',
        actor,
        commandId: null,
        version: null,
        changes: [],
      } as const;
      const before = await harness().store.databaseNow();
      await harness().audit.record(told);
      const [{ at, ...rest } = { at: NaN }] = await listed({ tenant });
      assert.deepEqual(rest, told);
      assert.ok(at >= before);
    });

    test('is narrowed by job, action, actor and time, and read page by page', async () => {
      const me = await Owner.take(harness().store, 0);
      const tenant = newJobId().toLowerCase();
      const audit = [1, 2, 3, 4].map((n) => entry(`j-${n % 2}`, { tenant, at: T0 + n, commandId: `c-${n}` }));
      audit[3] = { ...audit[3]!, action: 'cancel', actor: { kind: 'kafka', id: null, name: null } };
      await me.step({ audit });
      const ids = async (filter: AuditFilter) =>
        (await listed({ tenant, ...filter })).map(({ commandId }) => commandId);
      assert.deepEqual(await ids({ jobId: 'j-1' }), ['c-3', 'c-1']);
      assert.deepEqual(await ids({ action: 'cancel' }), ['c-4']);
      for (const actor of ['key', '0a1b2c3d4e5f', 'ci \u00fc'])
        assert.deepEqual(await ids({ actor }), ['c-3', 'c-2', 'c-1']);
      assert.deepEqual(await ids({ since: T0 + 2, until: T0 + 4 }), ['c-3', 'c-2']);
      const [, second] = await harness().audit.list({ tenant }, 2);
      assert.deepEqual(await ids({ before: second!.id }), ['c-2', 'c-1']);
    });

    test('is kept as long as the history', async () => {
      const me = await Owner.take(harness().store, 0);
      const jobId = newJobId();
      const now = await harness().store.databaseNow();
      await me.step({ audit: [entry(jobId, { at: now - 3_600_001 }), entry(jobId, { at: now, commandId: 'kept' })] });
      await harness().store.maintain(now, 3_600_000);
      assert.deepEqual(
        (await listed({ jobId })).map(({ commandId }) => commandId),
        ['kept'],
      );
    });
  });

  describe('a system job', () => {
    test('is told as it went last, and keeps what it changed last', async () => {
      const { store } = harness();
      const name = newJobId();
      const told = async () => (await harness().systemJobs()).find((job) => job.name === name);
      const job = {
        name,
        lastRunAt: T0,
        nextRunAt: T0 + 10,
        status: 'COMPLETED',
        result: 'made a',
        changed: 'made a',
      } as const;
      await store.reportSystemJob(job);
      assert.deepEqual(await told(), { ...job, changedAt: T0 });
      const failed = { ...job, lastRunAt: T0 + 10, status: 'FAILED', result: 'no lock', changed: null } as const;
      await store.reportSystemJob(failed);
      assert.deepEqual(await told(), { ...failed, changed: 'made a', changedAt: T0 });
    });
  });
}
