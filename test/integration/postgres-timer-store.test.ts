/** The timer store on a real PostgreSQL: the common behaviour, and what only several sessions can show. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import pg from 'pg';

import { SystemClock } from '../../services/adapters/clock.ts';
import { PostgresAudit } from '../../services/adapters/postgres/audit.ts';
import { PostgresRejections } from '../../services/adapters/postgres/rejections.ts';
import { classify } from '../../services/adapters/postgres/classify.ts';
import { PostgresInspect } from '../../services/adapters/postgres/inspect.ts';
import { migrateDatabase, readMeta } from '../../services/adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../../services/adapters/postgres/pool.ts';
import { PostgresRunStore } from '../../services/adapters/postgres/run-store.ts';
import { PostgresTimerStore } from '../../services/adapters/postgres/timer-store.ts';
import type { Log } from '../../services/core/ports/log.ts';
import { jobIn, Owner, stepOf } from '../conformance/timer-fixtures.ts';
import { PARTITIONS, timerStoreConformance } from '../conformance/timer-store.ts';

const { DATABASE_URL: databaseUrl } = process.env;
const SETTINGS = { partitions: PARTITIONS, encoding: 'json', topicPrefix: '' } as const;
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

if (databaseUrl === undefined) {
  test('the timer store on PostgreSQL', { skip: 'set DATABASE_URL, or run it under infra/embedded/run-with-stack.ts' });
} else {
  const poolOf = (schema: string, applicationName = schema): Pg =>
    openPool({ databaseUrl, schema, max: 10, applicationName, log: quiet });

  /** Without its schema when `work` ends. */
  const withSchema = async (schema: string, work: (pool: Pg) => Promise<void>): Promise<void> => {
    const pool = poolOf(schema);
    try {
      await work(pool);
    } finally {
      await dropSchema(pool);
    }
  };
  const dropSchema = async (pool: Pg): Promise<void> => {
    await pool.query({ name: 'drop', text: `DROP SCHEMA IF EXISTS ${pool.schema} CASCADE` });
    await pool.close();
  };

  timerStoreConformance('PostgreSQL', async () => {
    const pool = poolOf(`timer_conformance_${process.pid}`);
    await migrateDatabase(pool, SETTINGS);
    const runs = new PostgresRunStore(pool, new SystemClock());
    const store = new PostgresTimerStore(pool);
    const audit = new PostgresAudit(pool);
    const systemJobs = () => new PostgresInspect(pool).systemJobs();
    const rejections = new PostgresRejections(pool);
    return {
      store,
      audit,
      rejections,
      systemJobs,
      enqueue: (command) => runs.enqueue(command),
      close: () => dropSchema(pool),
    };
  });

  describe('the timer store on PostgreSQL', () => {
    const pool = poolOf(`timer_sessions_${process.pid}`);
    const store = new PostgresTimerStore(pool);
    before(() => migrateDatabase(pool, SETTINGS));
    const holders: pg.Client[] = [];
    after(async () => {
      await Promise.all(holders.map((client) => client.end()));
      await dropSchema(pool);
    });

    /** A session of its own, which holds the row of a partition's owner in an open transaction. */
    const holdOwner = async (partition: number): Promise<pg.Client> => {
      const client = new pg.Client({ connectionString: databaseUrl });
      client.on('error', () => undefined); // it is going to be ended
      holders.push(client);
      await client.connect();
      await client.query('BEGIN');
      await client.query(`SELECT FROM ${pool.schema}.owners WHERE partition = ${partition} FOR UPDATE`);
      return client;
    };
    const sessionEnded = (client: pg.Client): Promise<unknown> => new Promise((resolve) => client.once('end', resolve));

    test('statistics look at a thousand timers of a partition, however many sleep', async () => {
      await withSchema(`timer_statistics_${process.pid}`, async (own) => {
        await migrateDatabase(own, SETTINGS);
        const fill = `INSERT INTO timers SELECT 1, now_ms() + 3600000 + n, gen_random_uuid(), 'once', 'acme', 'job', 'x', '{}'
                      FROM generate_series(1, 5000) n`;
        await own.query({ name: 'fill', text: fill });
        await own.query({ name: 'analyse', text: 'ANALYZE timers' });
        const single = openPool({ databaseUrl, schema: own.schema, max: 1, applicationName: own.schema, log: quiet });
        await single.query({ name: 'begin', text: 'BEGIN' });
        const { timers, overdue } = await new PostgresTimerStore(single).stats([1]);
        const looked = `SELECT idx_tup_fetch + seq_tup_read AS rows FROM pg_stat_xact_user_tables WHERE relid = 'timers'::regclass`;
        const [read] = await single.query<{ rows: number }>({ name: 'looked', text: looked });
        await single.query({ name: 'commit', text: 'COMMIT' });
        await single.close();
        assert.deepEqual({ timers, overdue }, { timers: 5_000, overdue: 0 });
        assert.ok(read!.rows <= 1_100, `${read!.rows} rows`);
      });
    });

    test('takes a partition from a session that froze in the middle of a step, within seconds', async () => {
      const frozen = await holdOwner(1);
      const ended = sessionEnded(frozen);
      const startedAt = Date.now();
      const { ownership } = await store.take(1, 'timer-2');
      assert.equal(ownership.epoch, 1);
      assert.ok(Date.now() - startedAt < 4_000, `it took ${Date.now() - startedAt} ms`);
      await ended;
    });

    test('throws step_unclear when the connection is lost in the middle of a step', async () => {
      const me = await Owner.take(store, 2);
      const holder = await holdOwner(2);
      const step = me.step();
      const rejected = assert.rejects(step, { code: 'step_unclear', retryable: true });
      await endWaiting(pool);
      await rejected;
      await holder.query('ROLLBACK');
      assert.equal((await store.take(2, 'timer-1')).ownership.epoch, 2, 'the pool goes on with another connection');
    });

    test('applies one of two steps that run at the same time under the same fence', async () => {
      const me = await Owner.take(store, 3);
      const holder = await holdOwner(3);
      const nextOffsets = { commands: 1n, retry: 0n, completed: 0n };
      const jobs = [jobIn(3), jobIn(3)];
      const steps = jobs.map((job) => store.step([stepOf(me.ownership, { nextOffsets, jobs: [job] })]));
      await waiting(pool, 2);
      await holder.query('COMMIT');
      const accepted = (await Promise.all(steps)).map((partitions) => partitions.size);
      assert.deepEqual([...accepted].sort(), [0, 1]);
      const known = await store.read(jobs, []);
      assert.deepEqual(
        jobs.map(({ jobId }) => (known.jobs.has(`default/${jobId}`) ? 1 : 0)),
        accepted,
      );
    });

    test('refuses a step that was already under way when the partition was taken', async () => {
      const zombie = await Owner.take(store, 4);
      const holder = await holdOwner(4);
      const step = zombie.step({ jobs: [jobIn(4)] });
      await waiting(pool, 1);
      await holder.query(`UPDATE ${pool.schema}.owners SET epoch = epoch + 1 WHERE partition = 4`);
      await holder.query('COMMIT');
      assert.equal(await step, false);
    });

    test('updates jobs in place (HOT) while runs become active and end', async () => {
      const me = await Owner.take(store, 5);
      const job = jobIn(5, { spec: { ...jobIn(5).spec, overlap: 'skip' } });
      await me.step({ jobs: [job] });
      const updates = 20;
      for (let index = 1; index <= updates; index += 1) {
        const active = index % 2 === 0 ? [] : [{ runId: crypto.randomUUID(), since: index }];
        await me.step({ jobs: [{ ...job, nextAt: index, nextFireAt: index, active, updatedAt: index }] });
      }
      const { hot } = await hotUpdates(pool);
      assert.ok(hot >= updates - 3, `${hot} of ${updates}`);
    });

    test('survives the loss of an idle connection', async () => {
      const lonely = poolOf(pool.schema, `lonely_${process.pid}`);
      const [session] = await lonely.query<{ pid: number }>({ name: 'pid', text: 'SELECT pg_backend_pid() AS pid' });
      await pool.query({ name: 'end', text: 'SELECT pg_terminate_backend($1)' }, [session?.pid]);
      await assert.doesNotReject(
        until(async () => {
          try {
            return (
              (await lonely.query<{ pid: number }>({ name: 'pid', text: 'SELECT pg_backend_pid() AS pid' }))[0]?.pid !==
              session?.pid
            );
          } catch {
            return false; // the pool had not noticed yet
          }
        }),
      );
      await lonely.close();
    });
  });

  describe('migrating', () => {
    test('is safe when run several times at once, and tells what was fixed', () =>
      withSchema(`migrate_twice_${process.pid}`, async (pool) => {
        assert.equal(await readMeta(pool), undefined);
        const metas = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase(pool, SETTINGS)));
        for (const meta of metas) assert.deepEqual(meta, metas[0]);
        assert.deepEqual(await readMeta(pool), metas[0]);
        const owners = await pool.query<{ partition: number }>({
          name: 'o',
          text: 'SELECT partition FROM owners ORDER BY 1',
        });
        assert.deepEqual(
          owners.map(({ partition }) => partition),
          Array.from({ length: PARTITIONS }, (_, index) => index),
        );
      }));

    for (const [field, other] of [
      ['partitions', 12],
      ['encoding', 'avro'],
      ['topicPrefix', 'x-'],
    ] as const) {
      test(`refuses another ${field} than that of the first time`, () =>
        withSchema(`migrate_${field.toLowerCase()}_${process.pid}`, async (pool) => {
          await migrateDatabase(pool, SETTINGS);
          const again = migrateDatabase(pool, { ...SETTINGS, [field]: other });
          await assert.rejects(again, { code: 'config_mismatch', field, retryable: false });
          await assert.doesNotReject(migrateDatabase(pool, SETTINGS));
        }));
    }
  });

  describe('errors of PostgreSQL', () => {
    const failing = async (text: string): Promise<string> => {
      const pool = poolOf('public');
      try {
        await pool.query({ name: '', text });
        return 'none';
      } catch (error) {
        return classify(error).code;
      } finally {
        await pool.close();
      }
    };
    for (const [what, text, code] of [
      ['a NUL in a text', `SELECT convert_from('\\x00', 'UTF8')`, 'bad_data'],
      ['a division by zero', 'SELECT 1 / 0', 'bad_data'],
      ['a broken constraint', `DO $$ BEGIN RAISE unique_violation; END $$`, 'bad_data'],
      ['more than an index holds', `DO $$ BEGIN RAISE program_limit_exceeded; END $$`, 'bad_data'],
      ['a deadlock', `DO $$ BEGIN RAISE deadlock_detected; END $$`, 'store_unavailable'],
      ['a statement that takes too long', `SET statement_timeout = 20; SELECT pg_sleep(5)`, 'store_unavailable'],
      ['a session that was ended', 'SELECT pg_terminate_backend(pg_backend_pid())', 'store_unavailable'],
      ['a table that is missing', 'SELECT * FROM no_such_table', 'store_error'],
    ] as const) {
      test(`${what} is ${code}`, async () => assert.equal(await failing(text), code));
    }

    test('a server that is not there is store_unavailable', async () => {
      const pool = openPool({
        databaseUrl: 'postgresql://127.0.0.1:1/x',
        schema: 'x',
        max: 1,
        applicationName: 'x',
        log: quiet,
      });
      await assert.rejects(pool.query({ name: 'x', text: 'SELECT 1' }), { code: 'store_unavailable', retryable: true });
      await pool.close();
    });
  });
}

const WAITING = `SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`;

/** Resolves when `count` sessions of the pool wait for a lock. */
function waiting(pool: Pg, count: number): Promise<void> {
  return until(async () => (await pool.query({ name: 'waiting', text: WAITING }, [pool.schema])).length === count);
}

/** Ends the session of the pool that waits for a lock. */
async function endWaiting(pool: Pg): Promise<void> {
  await waiting(pool, 1);
  await pool.query({ name: 'end_waiting', text: `SELECT pg_terminate_backend(pid) FROM (${WAITING}) w` }, [
    pool.schema,
  ]);
}

async function hotUpdates(pool: Pg): Promise<{ hot: number }> {
  const client = await pool.connect();
  try {
    await client.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await client.query<{ hot: number }>(
      `SELECT n_tup_hot_upd::int + pg_stat_get_xact_tuples_hot_updated(relid)::int AS hot FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'jobs'`,
      [pool.schema],
    );
    return rows[0] as { hot: number };
  } finally {
    client.release();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('not within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
