/** Reading for people, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { PostgresAudit } from '../../services/adapters/postgres/audit.ts';
import type { Actor } from '../../services/core/audit.ts';
import { PostgresInspect } from '../../services/adapters/postgres/inspect.ts';
import { migrateDatabase } from '../../services/adapters/postgres/migrate.ts';
import { ownTopics, rememberTopics, underMigrationLock } from '../../services/adapters/postgres/own-topics.ts';
import { openPool, type Pg } from '../../services/adapters/postgres/pool.ts';
import type { JobFilter, JobOrder } from '../../services/core/ports/inspect.ts';
import type { Log } from '../../services/core/ports/log.ts';
import { runIdOf } from '../../services/core/run-id.ts';
import { parseJobSpec } from '../../services/core/spec/parse-command.ts';

const databaseUrl = process.env.DATABASE_URL || undefined;
const skip = databaseUrl === undefined ? 'needs DATABASE_URL: run it by infra/embedded/run-with-stack.ts' : undefined;
const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const NOW = Date.now();
const ME: Actor = { kind: 'cli', id: null, name: 'me' };
const ZERO_OFFSETS = { commands: 0n, retry: 0n, completed: 0n };

function poolOf(schema: string): Pg {
  return openPool({ databaseUrl: databaseUrl as string, schema, max: 6, applicationName: 'test', log: silent });
}

type NewRun = {
  jobId: string;
  scheduledFor?: number;
  status?: string;
  tenant?: string;
  error?: string;
  replayOf?: string;
};

void describe('reading for people on PostgreSQL', { skip }, () => {
  const pool = poolOf(`inspect_${randomUUID().slice(0, 8)}`);
  const inspect = new PostgresInspect(pool);
  let names = 0;

  const sql = (text: string, values: unknown[]) => pool.query({ name: `test_${(names += 1)}`, text }, values);

  const addRun = async ({
    jobId,
    tenant = 'default',
    scheduledFor = NOW,
    status = 'FAILED',
    error,
    replayOf,
  }: NewRun) => {
    const runId = runIdOf({ tenant, jobId, trigger: 'manual', cause: randomUUID(), scheduledFor });
    const text = `INSERT INTO runs (run_id, tenant, job_id, job_version, type, handler, queue, priority, status, trigger, cause,
        scheduled_for, finished_at, idempotency_key, error_code, error_message, replay_of, result, due, labels)
      VALUES ($1, $2, $3, 1, 'CUSTOM', 'h', 'default', 'medium', $4, 'manual', 'c', $5, $5, $1, $6, 'm', $7, '{"a":"\\u0000"}',
              '{"payload":{"b":"\\u0000"}}', '{"team":"x"}')`;
    await sql(text, [runId, tenant, jobId, status, scheduledFor, error ?? null, replayOf ?? null]);
    if (replayOf !== undefined) await sql('INSERT INTO replays (original, replay) VALUES ($1, $2)', [replayOf, runId]);
    return runId;
  };
  const unresolved = async (jobId: string) => (await inspect.deadRuns({ jobId }, 10)).map(({ runId }) => runId);

  before(() => migrateDatabase(pool, { partitions: 2, encoding: 'json', topicPrefix: '' }));
  after(async () => {
    await pool.query({ name: 'drop', text: `DROP SCHEMA ${pool.schema} CASCADE` });
    await pool.close();
  });

  void it('lists jobs by tenant and state, and shows one whole', async () => {
    const input = { type: 'CUSTOM', handler: 'h', payload: '\u0000', schedule: { every: '5m' } };
    const spec = parseJobSpec(input, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
    const text = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
        active, buffered, recent_commands, created_at, updated_at)
      VALUES ($1, $2, 0, $3, 1, $4, 0, 0, 0, true, '[]', '[]', '[]', 0, 0)`;
    for (const [tenant, jobId, state] of [
      ['a', 'one', 'SCHEDULED'],
      ['b', 'one', 'PAUSED'],
      ['b', 'two', 'SCHEDULED'],
    ]) {
      await sql(text, [tenant, jobId, state, JSON.stringify(spec)]);
    }
    const ids = async (...args: Parameters<typeof inspect.jobs>) =>
      (await inspect.jobs(...args)).map(({ tenant, jobId }) => `${tenant}/${jobId}`);
    assert.deepEqual(await ids({}, 10), ['a/one', 'b/one', 'b/two']);
    assert.deepEqual(await ids({}, 2), ['a/one', 'b/one']);
    assert.deepEqual(await ids({ tenant: 'b', state: 'SCHEDULED' }, 10), ['b/two']);
    assert.deepEqual((await inspect.job('b', 'two'))?.spec, spec);
    assert.equal(await inspect.job('a', 'two'), undefined);
  });

  void describe('jobs by what they are', () => {
    const add = async (jobId: string, input: object, nextFireAt: number | null, at: number) => {
      const options = { allowInlineSecrets: false, topicPrefix: '', allowTopics: null };
      const schedule = { every: '5m' };
      const spec = parseJobSpec({ type: 'CUSTOM', handler: 'h', schedule, ...input }, options);
      const text = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
          active, buffered, recent_commands, next_fire_at, created_at, updated_at)
        VALUES ('f', $1, 0, 'SCHEDULED', 1, $2, 0, 0, 0, true, '[]', '[]', '[]', $3, $4, $4)`;
      await sql(text, [jobId, JSON.stringify(spec), nextFireAt, at]);
    };
    const ids = async (filter: JobFilter, limit = 10, order?: JobOrder) =>
      (await inspect.jobs({ tenant: 'f', ...filter }, limit, order)).map(({ jobId }) => jobId);

    before(async () => {
      const decoy = {
        priority: 'high',
        labels: { team: 'x' },
        text: '"queue":"reports"',
        half: '\ud800',
        nul: '\u0000',
      };
      await add('a-decoy', { payload: decoy }, 30, 1);
      await add('b-high', { priority: 'high', labels: { team: 'x', type: 'y' }, handler: 'send "Invoice"' }, null, 2);
      await add('c-queue', { queue: 'reports', labels: { team: 'x"' } }, 10, 3);
      await add(
        'd-http',
        { type: 'HTTP_REQUEST', handler: undefined, payload: { url: 'http://invoice.example' } },
        20,
        4,
      );
    });

    void it('finds them by type, priority, queue and labels, and is not deceived by what stands in payloads', async () => {
      assert.deepEqual(await ids({ priority: 'high' }), ['b-high']);
      assert.deepEqual(await ids({ queue: 'reports' }), ['c-queue']);
      assert.deepEqual(await ids({ type: 'HTTP_REQUEST' }), ['d-http']);
      assert.deepEqual(await ids({ labels: { team: 'x' } }), ['b-high']);
      assert.deepEqual(await ids({ labels: { team: 'x', type: 'y' } }), ['b-high']);
      assert.deepEqual(await ids({ labels: { team: 'x"' } }), ['c-queue']);
      assert.deepEqual(await ids({ labels: { team: 'y' } }), []);
      assert.deepEqual(
        await ids({ priority: 'high', queue: 'default' }, 1),
        ['b-high'],
        'past a row that only looks so',
      );
    });

    void it('finds text in ids and handlers, and not in payloads', async () => {
      assert.deepEqual(await ids({ text: 'INVOICE' }), ['b-high']);
      assert.deepEqual(await ids({ text: 'd "inv' }), ['b-high']);
      assert.deepEqual(await ids({ text: '-' }), ['a-decoy', 'b-high', 'c-queue', 'd-http']);
      assert.deepEqual(await ids({ text: '%' }), []);
      assert.deepEqual(await ids({ text: 'custom' }), []);
    });

    void it('sorts them either way, those without a next time last, and goes on behind any of them', async () => {
      const order = { by: 'nextFireAt', descending: false } as const;
      assert.deepEqual(await ids({}, 9, order), ['c-queue', 'd-http', 'a-decoy', 'b-high']);
      const falling = { by: 'nextFireAt', descending: true } as const;
      assert.deepEqual(await ids({}, 9, falling), ['a-decoy', 'd-http', 'c-queue', 'b-high']);
      assert.deepEqual(await ids({}, 2, { by: 'createdAt', descending: true }), ['d-http', 'c-queue']);
      for (const each of [order, falling, { by: 'jobId', descending: true }, { by: 'updatedAt', descending: false }]) {
        const all = await inspect.jobs({ tenant: 'f' }, 9, each as JobOrder);
        for (const [index, after] of all.entries()) {
          const rest = all.slice(index + 1).map(({ jobId }) => jobId);
          assert.deepEqual(
            await ids({}, 9, { ...(each as JobOrder), after }),
            rest,
            `${each.by} behind ${after.jobId}`,
          );
        }
      }
    });
  });

  void it('sums up how the runs of a tenant went', async () => {
    for (let index = 0; index < 3; index += 1) await addRun({ jobId: 'sum', tenant: 'sums', error: 'timeout' });
    await addRun({ jobId: 'sum', tenant: 'sums', status: 'COMPLETED' });
    const { runs, limited, byStatus, failing } = await inspect.statistics('sums', NOW - 1_000, NOW + 1_000);
    assert.deepEqual({ runs, limited, byStatus }, { runs: 4, limited: false, byStatus: { FAILED: 3, COMPLETED: 1 } });
    assert.deepEqual(failing, [{ jobId: 'sum', failed: 3, lastError: 'timeout' }]);
    const none = await inspect.statistics('nobody', NOW - 1_000, NOW + 1_000);
    assert.deepEqual([none.runs, none.byStatus, none.lateness], [0, {}, { p50: null, p95: null, p99: null }]);
  });

  void it('lists runs, the latest first, by job, status and time', async () => {
    const day = 86_400_000;
    const old = await addRun({ jobId: 'list', scheduledFor: NOW - 3 * day, status: 'COMPLETED' });
    const fresh = await addRun({ jobId: 'list', scheduledFor: NOW - day, status: 'COMPLETED' });
    const failed = await addRun({ jobId: 'list', error: 'timeout' });
    const ids = async (filter: object, limit = 10) =>
      (await inspect.runs({ jobId: 'list', tenant: 'default', ...filter }, limit)).map(({ runId }) => runId);
    assert.deepEqual(await ids({}), [failed, fresh, old]);
    assert.deepEqual(await ids({}, 1), [failed]);
    assert.deepEqual(await ids({ status: 'COMPLETED' }), [fresh, old]);
    assert.deepEqual(await ids({ since: NOW - 2 * day, until: NOW }), [fresh]);
    assert.deepEqual(await ids({ before: failed }), [fresh, old]);
    assert.deepEqual(await ids({ before: old }), []);
  });

  void it('shows a run with all that it holds', async () => {
    const runId = await addRun({ jobId: 'show', error: 'timeout' });
    const run = await inspect.run(runId);
    assert.deepEqual(run?.result, { a: '\u0000' });
    assert.deepEqual(run?.due, { payload: { b: '\u0000' } });
    assert.deepEqual(run?.error, { code: 'timeout', message: 'm' });
    assert.deepEqual(run?.labels, { team: 'x' });
    assert.deepEqual(run?.replays, []);
    assert.equal(run?.discarded, null);
    assert.equal(await inspect.run(randomUUID()), undefined);
  });

  void it('takes a dead run off the list once a replay is decided, lives or completed', async () => {
    const runId = await addRun({ jobId: 'replayed' });
    assert.deepEqual(await unresolved('replayed'), [runId]);
    await sql('INSERT INTO replays (original, replay) VALUES ($1, $2)', [runId, randomUUID()]);
    assert.deepEqual(await unresolved('replayed'), []);
    const [all] = await inspect.deadRuns({ jobId: 'replayed', resolved: true }, 10);
    assert.equal(all?.resolved, true);
    assert.deepEqual(
      all?.replays.map(({ status }) => status),
      ['ENQUEUED'],
    );
  });

  void it('lists a failed replay in place of the run that it repeats, and the run again when its replay was cancelled', async () => {
    const first = await addRun({ jobId: 'lineage' });
    const second = await addRun({ jobId: 'lineage', replayOf: first });
    assert.deepEqual(await unresolved('lineage'), [second]);
    await addRun({ jobId: 'lineage', replayOf: second, status: 'CANCELLED' });
    assert.deepEqual(await unresolved('lineage'), [second]);
    await addRun({ jobId: 'lineage', replayOf: second, status: 'COMPLETED' });
    assert.deepEqual(await unresolved('lineage'), []);
  });

  void it('filters dead runs by tenant, error and time of failing', async () => {
    await addRun({ jobId: 'f', error: 'timeout', scheduledFor: NOW - 1_000 });
    const lost = await addRun({ jobId: 'f', tenant: 'other', error: 'lost', scheduledFor: NOW - 5_000 });
    const ids = async (filter: object) =>
      (await inspect.deadRuns({ jobId: 'f', ...filter }, 9)).map(({ runId }) => runId);
    assert.deepEqual(await ids({ errorCode: 'lost' }), [lost]);
    assert.deepEqual(await ids({ tenant: 'other' }), [lost]);
    assert.deepEqual(await ids({ until: NOW - 2_000 }), [lost]);
    assert.deepEqual(await ids({ since: NOW }), []);
  });

  void it('discards FAILED runs only, once, and forgets it with the run', async () => {
    const failed = await addRun({ jobId: 'd' });
    const completed = await addRun({ jobId: 'd', status: 'COMPLETED' });
    assert.deepEqual(await inspect.discard([failed, completed], 'paid by hand', ME), [failed]);
    assert.deepEqual(await inspect.discard([failed], 'again', ME), []);
    assert.deepEqual(await unresolved('d'), []);
    assert.equal((await inspect.run(failed))?.discarded?.note, 'paid by hand');
    const told = await new PostgresAudit(pool).list({ jobId: 'd' }, 10);
    assert.deepEqual(
      told.map(({ action, actor, changes }) => [action, actor, changes.map(({ to }) => to)]),
      [['discard', ME, [failed, 'paid by hand']]],
    );
    await sql('DELETE FROM runs WHERE run_id = $1', [failed]);
    await inspect.discard([completed], '', ME);
    assert.deepEqual(await sql('SELECT FROM discards WHERE run_id = $1', [failed]), []);
  });

  void it('tells how the deployment is doing', async () => {
    await rememberTopics(pool, ['job.commands', 'job.dlq']);
    const due = NOW - 60_000;
    const timer = `INSERT INTO timers (partition, fire_at, run_id, kind, tenant, job_id, topic, due)
                   VALUES (1, $1, $2, 'once', 't', 'j', '', '{}')`;
    await sql(timer, [due, randomUUID()]);
    await sql(timer, [NOW + 3_600_000, randomUUID()]);
    await sql(`INSERT INTO outbox (partition, seq, lane, body) VALUES (1, 1, 'plain', '')`, []);
    const system = await inspect.system();
    assert.deepEqual(system.overdue, { count: 1, oldestAt: due });
    assert.deepEqual(system.topics, ['job.commands', 'job.dlq']);
    assert.deepEqual(system.parked, { handedOver: 0, detached: 0 });
    assert.deepEqual(system.leases, []);
    assert.deepEqual(system.owners, [
      { partition: 0, instance: '', epoch: 0, offsets: ZERO_OFFSETS, outboxDepth: 0 },
      { partition: 1, instance: '', epoch: 0, offsets: ZERO_OFFSETS, outboxDepth: 1 },
    ]);
    assert.ok(Math.abs((await inspect.databaseNow()) - Date.now()) < 5_000);
  });

  void it('says that the database was never migrated', async () => {
    const empty = poolOf('inspect_never_migrated');
    const other = new PostgresInspect(empty);
    await assert.rejects(other.jobs({}, 1), { code: 'not_migrated', message: /belfry migrate/ });
    await assert.rejects(other.system(), { code: 'not_migrated' });
    await empty.close();
  });

  void it('runs migrations one after the other, and lets the next one in when one fails', async () => {
    const order: string[] = [];
    const other = poolOf(pool.schema);
    let enter: () => void = () => undefined;
    const entered = new Promise<void>((resolve) => (enter = resolve));
    const first = underMigrationLock(pool, async () => {
      enter();
      await other.query({ name: 'elsewhere', text: 'SELECT pg_sleep(0.2)' });
      order.push('first');
      throw new Error('broke off');
    });
    await entered;
    const second = underMigrationLock(other, async () => order.push('second'));
    await assert.rejects(first, /broke off/);
    await second;
    assert.deepEqual(order, ['first', 'second']);
    assert.deepEqual(await ownTopics(other), ['job.commands', 'job.dlq']);
    await other.close();
  });
});
