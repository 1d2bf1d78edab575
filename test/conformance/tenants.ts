/** What every store of tenants' quotas does. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import type { RunStore } from '../../services/core/ports/run-store.ts';
import { NO_QUOTAS, type Tenants } from '../../services/core/ports/tenants.ts';
import { limitsOfHandlers, limitsOfTenant } from '../../services/core/tenant-limits.ts';
import { claimOne, newDue, openedLease, settlement } from './run-store-harness.ts';

const DAY_MS = 86_400_000;

export type TenantsHarness = {
  tenants: Tenants;
  /** On the same database. */
  runs: RunStore;
  addJob(tenant: string, state: string): Promise<void>;
  /** As if the run had ended `ms` earlier. */
  age(runId: string, ms: number): Promise<void>;
};

/** @param open no tenant has quotas yet */
export function tenantsConformance(name: string, open: () => Promise<TenantsHarness>): void {
  void describe(`tenants: ${name}`, () => {
    let harness: TenantsHarness;
    let tenants: Tenants;
    beforeEach(async () => {
      harness = await open();
      ({ tenants } = harness);
    });

    void it('keeps the quotas that are set, changes those that are named, and takes away what is null', async () => {
      const { updatedAt, ...set } = await tenants.set('acme', { jobs: 10, minIntervalMs: 60_000, queue: 'acme' });
      assert.deepEqual(set, { ...NO_QUOTAS, tenant: 'acme', jobs: 10, minIntervalMs: 60_000, queue: 'acme' });
      assert.ok(updatedAt > 0);
      const changed = await tenants.set('acme', { jobs: null, historyDays: 3 });
      assert.deepEqual([changed.jobs, changed.historyDays, changed.queue], [null, 3, 'acme']);
      assert.deepEqual(await tenants.find('acme'), changed);
    });

    void it('lists them by name, and forgets those that are removed', async () => {
      await tenants.set('b', { jobs: 1 });
      await tenants.set('a', { jobs: 2 });
      assert.deepEqual(
        (await tenants.list()).map(({ tenant }) => tenant),
        ['a', 'b'],
      );
      assert.equal(await tenants.remove('a'), true);
      assert.equal(await tenants.remove('a'), false);
      assert.equal(await tenants.find('a'), undefined);
    });

    void it('counts the jobs that have occurrences ahead, of the tenants asked for', async () => {
      const [one, other] = [`t-${randomUUID()}`, `t-${randomUUID()}`];
      for (const state of ['SCHEDULED', 'PAUSED', 'FINISHED', 'CANCELLED']) await harness.addJob(one, state);
      await harness.addJob(other, 'SCHEDULED');
      assert.deepEqual([...(await tenants.countJobs([one, 'nobody']))], [[one, 2]]);
    });

    void it('lets those who wait under a limit obey the new one, and go when it is taken away', async () => {
      const { runs } = harness;
      const tenant = `t-${randomUUID()}`;
      const limits = limitsOfTenant(tenant, await tenants.set(tenant, { concurrentRuns: 1 }));
      const queue = `q-${randomUUID()}`;
      const lease = await openedLease(runs, { queue });
      const admissions = Array.from({ length: 4 }, () => {
        const due = newDue({ tenant, queue });
        return { due, handler: due.handler, nonce: randomUUID(), ticket: randomUUID(), limits, parked: false };
      });
      const outcomes = await runs.admit(lease, admissions);
      assert.equal(outcomes.filter((outcome) => outcome === 'waits').length, 3);
      await tenants.set(tenant, { concurrentRuns: 2 });
      await runs.wakeWaiting();
      assert.equal((await runs.takeParked(lease, 10)).length, 1);
      await tenants.remove(tenant);
      assert.equal((await runs.takeParked(lease, 10)).length, 2);
    });

    void it('lets those who wait for a handler obey its new limit, each handler its own, and go when it is taken away', async () => {
      const { runs } = harness;
      const tenant = `t-${randomUUID()}`;
      const queue = `q-${randomUUID()}`;
      const names = ['send=mail', "it's"];
      const set = await tenants.set(tenant, { handlerRuns: { 'send=mail': 1, "it's": 1 } });
      assert.deepEqual((await tenants.find(tenant))?.handlerRuns, { 'send=mail': 1, "it's": 1 });
      const limits = limitsOfHandlers(tenant, set);
      const lease = await openedLease(runs, { queue, handlers: names });
      const admissions = names.flatMap((handler) =>
        Array.from({ length: 3 }, () => {
          const due = newDue({ tenant, queue, handler });
          return {
            due,
            handler,
            nonce: randomUUID(),
            ticket: randomUUID(),
            limits: [limits.get(handler)!],
            parked: false,
          };
        }),
      );
      const outcomes = await runs.admit(lease, admissions);
      for (const ofOne of [outcomes.slice(0, 3), outcomes.slice(3)])
        assert.deepEqual(ofOne.toSorted(), ['placed', 'waits', 'waits']);
      await tenants.set(tenant, { jobs: 1 });
      await runs.wakeWaiting();
      assert.equal((await runs.takeParked(lease, 10)).length, 0, 'another quota changes nothing here');
      await tenants.set(tenant, { handlerRuns: { 'send=mail': 2, "it's": 1 } });
      await runs.wakeWaiting();
      const [woken, ...others] = await runs.takeParked(lease, 10);
      assert.deepEqual([woken?.handler, others.length], ['send=mail', 0]);
      await tenants.set(tenant, { handlerRuns: null });
      assert.equal((await runs.takeParked(lease, 10)).length, 3);
    });

    void it('forgets ended runs that are older than their tenant keeps them, and no others', async () => {
      const { runs } = harness;
      const tenant = `t-${randomUUID()}`;
      await tenants.set(tenant, { historyDays: 2 });
      const lease = await openedLease(runs);
      const [old, recent, foreign, running] = [
        newDue({ tenant, runId: runIdOfAge(3 * DAY_MS) }),
        newDue({ tenant }),
        newDue({ runId: runIdOfAge(3 * DAY_MS) }),
        newDue({ tenant, runId: runIdOfAge(3 * DAY_MS) }),
      ];
      for (const due of [old, recent, foreign, running]) {
        const { row } = await claimOne(runs, lease, due);
        if (due !== running) await runs.settle(lease, [settlement(row)]);
      }
      for (const due of [old, foreign]) await harness.age(due.runId, 3 * DAY_MS);
      assert.equal(await tenants.forgetHistory(), 1);
      assert.equal((await claimOne(runs, lease, old)).inserted, true, 'it is gone');
      for (const due of [recent, foreign, running]) assert.equal((await claimOne(runs, lease, due)).inserted, false);
    });
  });
}

function runIdOfAge(ms: number): string {
  const time = (Date.now() - ms).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${randomUUID().slice(13)}`;
}
