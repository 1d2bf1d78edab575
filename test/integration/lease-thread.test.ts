/** The lease's thread: it renews though the main loop is blocked, and ends a process whose main loop is stuck. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SystemClock } from '../../services/adapters/clock.ts';
import { LeaseThread } from '../../services/adapters/postgres/lease-thread.ts';
import { migrateDatabase } from '../../services/adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../../services/adapters/postgres/pool.ts';
import { PostgresRunStore } from '../../services/adapters/postgres/run-store.ts';
import { BelfryError } from '../../services/core/errors.ts';
import type { LeaseHold } from '../../services/core/ports/lease-keeper.ts';
import type { Log } from '../../services/core/ports/log.ts';
import type { Lease, LeaseState } from '../../services/core/ports/run-store.ts';

const databaseUrl = process.env.DATABASE_URL ?? '';
const skip = databaseUrl === '' ? 'needs DATABASE_URL: run it by infra/embedded/run-with-stack.ts' : undefined;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const clock = new SystemClock();

describe("the lease's thread", { skip, timeout: 60_000 }, () => {
  const schema = `lease_${randomUUID().slice(0, 8)}`;
  const keeper = new LeaseThread({ pg: { databaseUrl, schema }, clock, log: silent });
  let pool: Pg;
  let store: PostgresRunStore;
  before(async () => {
    pool = openPool({ databaseUrl, schema, max: 2, applicationName: 'test', log: silent });
    await migrateDatabase(pool, { partitions: 4, encoding: 'json', topicPrefix: '' });
    store = new PostgresRunStore(pool, clock);
  });
  after(async () => {
    await pool.query({ name: 'drop', text: `DROP SCHEMA ${schema} CASCADE` });
    await pool.close();
  });

  const newLease = (): Lease => {
    const executor = randomUUID();
    return { executor, worker: 'test:1', queue: 'default', transactionalId: `test-${executor}`, handlers: ['work'] };
  };
  const stateOf = async (lease: Lease): Promise<LeaseState | undefined> =>
    (await store.leases()).find((each) => each.executor === lease.executor);
  const block = (ms: number): void => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };

  it('renews while the main loop is blocked for longer than the lease, and advertises free slots', async () => {
    const lease = newLease();
    let lost = false;
    const hold = await keeper.open(lease, 1_200, () => (lost = true));
    hold.report(7, 60_000);
    block(3_000);
    assert.ok(hold.remainingMs() > 0, `${hold.remainingMs()} ms left`);
    assert.ok(hold.heldMs() >= 3_000);
    const state = await stateOf(lease);
    assert.equal(state?.alive, true);
    assert.equal(state?.free, 7);
    assert.equal(lost, false);
    await hold.close();
    assert.equal(await stateOf(lease), undefined);
    assert.ok(hold.remainingMs() <= 0);
  });

  it('tells when the lease was marked dead', async () => {
    const lease = newLease();
    const lost = Promise.withResolvers<void>();
    const hold: LeaseHold = await keeper.open(lease, 1_000, lost.resolve);
    await store.openLease(lease, 0);
    while ((await store.markDead([lease.executor])).length === 0) await store.openLease(lease, 0);
    await lost.promise;
    assert.ok(hold.remainingMs() <= 0);
    await hold.close();
  });

  it('says that the database is away, as an error that may be repeated', async () => {
    const nowhere = new LeaseThread({
      pg: { databaseUrl: 'postgres://nobody@127.0.0.1:9/none', schema },
      clock,
      log: silent,
    });
    await assert.rejects(
      nowhere.open(newLease(), 1_000, () => undefined),
      (error) => error instanceof BelfryError && error.retryable,
    );
  });

  it('ends its process when the main loop is stuck 10 s past the deadline of a run', async () => {
    const script = `
      import { SystemClock } from '${new URL('../../services/adapters/clock.ts', import.meta.url).href}';
      import { LeaseThread } from '${new URL('../../services/adapters/postgres/lease-thread.ts', import.meta.url).href}';
      const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
      const keeper = new LeaseThread({ pg: { databaseUrl: ${JSON.stringify(databaseUrl)}, schema: '${schema}' }, clock: new SystemClock(), log });
      const hold = await keeper.open(${JSON.stringify(newLease())}, 6_000, () => undefined);
      hold.report(0, 1_000);
      for (;;);
    `;
    const startedAt = performance.now();
    const file = join(await mkdtemp(join(tmpdir(), 'belfry-')), 'stuck.mjs');
    await writeFile(file, script);
    const child = spawn(process.execPath, [file], { stdio: 'inherit' });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    await rm(dirname(file), { recursive: true });
    assert.equal(signal, 'SIGKILL');
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 10_500 && tookMs < 20_000, `after ${Math.round(tookMs)} ms`);
  });
});
