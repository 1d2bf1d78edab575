/** The run store in PostgreSQL: the conformance suite, and what only a real database can show. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import type pg from 'pg';

import { SystemClock } from '../../services/adapters/clock.ts';
import type { Pg } from '../../services/adapters/postgres/pool.ts';
import { PostgresRunStore } from '../../services/adapters/postgres/run-store.ts';
import { runIdOf } from '../../services/core/run-id.ts';
import type { DueRecord } from '../../services/core/records.ts';
import { runStoreConformance } from '../conformance/run-store.ts';
import { claimOne, codeOf, look, newDue, openedLease, retrying, settlement } from '../conformance/run-store-harness.ts';
import { dropSchema, openSchema, WITHOUT_DATABASE } from './support/schema.ts';

const skip = WITHOUT_DATABASE;
const DAY_MS = 86_400_000;

const newSchema = (): Promise<Pg> => openSchema('run_store', { max: 6, partitions: 4 });

async function sql<Row extends pg.QueryResultRow>(pool: Pg, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = await pool.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    client.release();
  }
}

runStoreConformance(
  'PostgreSQL',
  async () => {
    const pool = await newSchema();
    return {
      store: new PostgresRunStore(pool, new SystemClock()),
      pass: async (ms) => {
        await sql(pool, 'UPDATE leases SET expires_at = expires_at - $1::bigint, alive_since = alive_since - $1', [ms]);
        await sql(pool, 'UPDATE parked SET parked_at = parked_at - $1::bigint', [ms]);
        await sql(pool, 'UPDATE places SET expires_at = expires_at - $1::bigint', [ms]);
      },
      cancelRun: async (runId) => {
        await sql(pool, `SELECT cancel_runs('{0}', '{0}', ARRAY[$1::uuid])`, [runId]);
      },
      setCancelGeneration: async (tenant, jobId, generation) => {
        await sql(
          pool,
          `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
                             active, buffered, recent_commands, created_at, updated_at)
           VALUES ($1, $2, 0, 'SCHEDULED', 1, '{}', $3, 0, 0, false, '[]', '[]', '[]', 0, 0)
           ON CONFLICT (tenant, job_id) DO UPDATE SET cancel_gen = excluded.cancel_gen`,
          [tenant, jobId, generation],
        );
      },
      enqueued: async () => {
        const text = `SELECT command::json->>'commandId' AS id FROM enqueued ORDER BY id`;
        return (await sql<{ id: string }>(pool, text)).map(({ id }) => id);
      },
      stored: async (runId) => {
        const text = 'SELECT due, progress FROM runs WHERE run_id = $1';
        const [row] = await sql<{ due: string | null; progress: string | null }>(pool, text, [runId]);
        const parse = (json: string | null | undefined): unknown => (json ? JSON.parse(json) : null);
        return { due: parse(row?.due) as DueRecord | null, progress: parse(row?.progress) };
      },
      close: () => dropSchema(pool),
    };
  },
  skip,
);

describe('run store in PostgreSQL only', { skip: skip ?? false }, () => {
  let pool: Pg;
  let store: PostgresRunStore;
  before(async () => {
    pool = await newSchema();
    store = new PostgresRunStore(pool, new SystemClock());
    await sql(pool, 'CREATE TABLE public_notes (run_id uuid, note text)');
  });
  after(() => dropSchema(pool));

  async function running() {
    const lease = await openedLease(store);
    const due = newDue();
    const { row } = await claimOne(store, lease, due);
    return { lease, due, row };
  }
  const notes = (runId: string) => sql(pool, 'SELECT note FROM public_notes WHERE run_id = $1', [runId]);
  const note = (client: unknown, runId: string) =>
    (client as pg.PoolClient).query(`INSERT INTO ${pool.schema}.public_notes VALUES ($1, 'written')`, [runId]);

  describe('a second try that meets the first one still under way', () => {
    /** Runs `second` while `first` holds its locks in an open transaction; commits once `second` waits for it. */
    async function meeting<T>(first: string, values: unknown[], second: () => Promise<T>): Promise<T> {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query(first, values);
      const answer = second();
      const waits = 'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))';
      const [me] = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
      while ((await sql(pool, waits, [me?.pid])).length === 0);
      await client.query('COMMIT');
      client.release();
      return answer;
    }

    it('finds the run that it inserted', async () => {
      const lease = await openedLease(store);
      const [due, nonce] = [newDue(), randomUUID()];
      const insert = `INSERT INTO runs (run_id, tenant, job_id, job_version, type, handler, queue, priority, status, trigger, cause,
          scheduled_for, started_at, token, executor, nonce, idempotency_key)
        VALUES ($1, 'acme', 'j', 1, 'CUSTOM', 'h', 'q', 'high', 'RUNNING', 'schedule', '', 0, 0, 1, $2, $3, $1)`;
      const claim = await meeting(insert, [due.runId, lease.executor, nonce], () => claimOne(store, lease, due, nonce));
      assert.equal(claim.inserted, false);
      assert.deepEqual([claim.row.status, claim.row.executor, claim.row.nonce], ['RUNNING', lease.executor, nonce]);
    });

    it('finds the outcome that it settled', async () => {
      const { lease, row } = await running();
      const update = `UPDATE runs SET status = 'COMPLETED', finished_at = 5 WHERE run_id = $1`;
      const settled = await meeting(update, [row.runId], () => store.settle(lease, [settlement(row)]));
      assert.equal(settled[0]?.finishedAt, 5);
    });

    it('finds that somebody else ended it otherwise', async () => {
      const { lease, row } = await running();
      const update = `UPDATE runs SET token = token + 1, executor = gen_random_uuid() WHERE run_id = $1`;
      assert.deepEqual(await meeting(update, [row.runId], () => store.settle(lease, [settlement(row)])), []);
    });
  });

  describe('transaction', () => {
    it('commits the handler’s writes with the outcome', async () => {
      const { lease, due, row } = await running();
      await store.transaction(lease, 5_000, async ({ client, settle }) => {
        await note(client, due.runId);
        await settle(settlement(row));
      });
      assert.equal((await notes(due.runId)).length, 1);
      assert.equal((await look(store, due)).status, 'COMPLETED');
    });

    it('rolls the handler’s writes back when it throws, is too slow, or lost the run', async () => {
      const { lease, due, row } = await running();
      const fails = (end: (settle: () => Promise<unknown>) => Promise<unknown>, token = row.token) =>
        codeOf(
          store.transaction(lease, 200, async ({ client, settle }) => {
            await note(client, due.runId);
            await end(() => settle(settlement({ ...row, token })));
          }),
        );
      assert.equal(await fails(() => Promise.reject(new Error('mistake'))), 'Error: mistake');
      assert.equal(await fails((settle) => settle().then(() => new Promise(() => undefined))), 'timeout');
      assert.equal(await fails((settle) => settle(), 9), 'lease_lost');
      assert.deepEqual(await notes(due.runId), []);
      assert.deepEqual(await look(store, due), row);
    });

    it('does not take the rollback for a commit when the handler hides a failed statement', async () => {
      const { lease, due, row } = await running();
      const hiding = store.transaction(lease, 5_000, async ({ client, settle }) => {
        await settle(settlement(row));
        await (client as pg.PoolClient).query('SELECT 1 / 0').catch(() => undefined);
      });
      assert.equal(await codeOf(hiding), 'rolled_back');
      assert.deepEqual(await look(store, due), row);
    });

    it('gives the handler the usual search path, and a client that is deaf afterwards', async () => {
      const { lease, row } = await running();
      let kept: pg.PoolClient | undefined;
      const path = await store.transaction(lease, 5_000, async ({ client, settle }) => {
        kept = client as pg.PoolClient;
        kept.release();
        const { rows } = await kept.query<{ search_path: string }>('SHOW search_path');
        await settle(settlement(row));
        return rows[0]?.search_path;
      });
      assert.equal(path, '"$user", public');
      assert.throws(() => kept?.query('SELECT 1'), { code: 'transaction_ended' });
      const [after] = await sql<{ search_path: string }>(pool, 'SHOW search_path');
      assert.equal(after?.search_path, pool.schema, 'the pool’s own path is back');
    });

    /** The store on a pool whose first COMMIT gets no answer. */
    function losingCommit(deliver: boolean): PostgresRunStore {
      const connect = async (): Promise<pg.PoolClient> => {
        const client = await pool.connect();
        return new Proxy(client, {
          get: (target, property) => {
            const value: unknown = Reflect.get(target, property, target);
            if (typeof value !== 'function') return value;
            if (property !== 'query') return value.bind(target) as unknown;
            return async (...args: [string]) => {
              if (args[0] !== 'COMMIT') return target.query(...args);
              if (deliver) await target.query('COMMIT');
              throw new Error('Connection terminated unexpectedly');
            };
          },
        });
      };
      return new PostgresRunStore({ ...pool, connect }, new SystemClock());
    }

    it('finds out what became of a commit whose answer was lost', async () => {
      for (const deliver of [true, false]) {
        const { lease, due, row } = await running();
        const ending = losingCommit(deliver).transaction(lease, 5_000, async ({ client, settle }) => {
          await note(client, due.runId);
          await settle(settlement(row));
          return 'answer';
        });
        if (deliver) assert.equal(await ending, 'answer');
        else assert.equal(await codeOf(ending), 'store_unavailable');
        assert.equal((await notes(due.runId)).length, deliver ? 1 : 0);
        assert.equal((await look(store, due)).status, deliver ? 'COMPLETED' : 'RUNNING');
      }
    });
  });

  it('answers another server’s session end, in the middle of a transaction, with an error and without the writes', async () => {
    const { lease, due, row } = await running();
    const ended = store.transaction(lease, 5_000, async ({ client, settle }) => {
      const session = client as pg.PoolClient;
      session.on('error', () => undefined);
      await note(session, due.runId);
      await settle(settlement(row));
      const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await sql(pool, 'SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    });
    assert.equal(await codeOf(ended), 'store_unavailable');
    assert.deepEqual(await notes(due.runId), []);
    assert.deepEqual(await look(store, due), row);
  });

  it('shows the history of runs, with ISO times and labels', async () => {
    const { lease, due, row } = await running();
    await store.settle(lease, [retrying(row, 2)]);
    const [shown] = await sql<Record<string, unknown>>(pool, 'SELECT * FROM run_history WHERE run_id = $1', [
      due.runId,
    ]);
    assert.deepEqual(shown, {
      ...{ run_id: due.runId, tenant: due.tenant, job_id: due.jobId, status: 'RETRYING', trigger: 'schedule' },
      ...{
        scheduled_for: new Date(due.scheduledFor),
        started_at: new Date(row.startedAt as number),
        finished_at: null,
      },
      ...{ attempt: 2, handler: due.handler, worker: lease.worker, error_code: 'handler_error', reason: null },
      ...{ replay_of: null, labels: due.labels },
    });
  });

  describe('days', () => {
    const now = Date.now();
    const dayOf = (due: DueRecord) =>
      sql<{ day: string }>(pool, 'SELECT tableoid::regclass::text AS day FROM runs WHERE run_id = $1', [
        due.runId,
      ]).then(([row]) => row?.day);
    const nameOf = (ms: number) => `runs_${new Date(ms).toISOString().slice(0, 10).replaceAll('-', '')}`;
    function dueAt(scheduledFor: number): DueRecord {
      const runId = runIdOf({ tenant: 'acme', jobId: 'd', trigger: 'schedule', cause: randomUUID(), scheduledFor });
      return newDue({ runId, scheduledFor });
    }
    const partitions = async () =>
      (
        await sql<{ name: string }>(
          pool,
          `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'runs'::regclass ORDER BY name`,
        )
      ).map(({ name }) => name);

    it('are there from the first migration on', async () => {
      const { due } = await running();
      assert.equal(await dayOf(due), nameOf(due.scheduledFor));
      assert.ok((await partitions()).includes(nameOf(now + 7 * DAY_MS)));
    });

    it('are made ahead, by several at once, and take along the runs that came before them', async () => {
      const start = Date.UTC(2041, 4, 1);
      const lease = await openedLease(store);
      const edges = [start - 1, start, start + DAY_MS - 1, start + DAY_MS].map(dueAt);
      const claims = await store.claim(
        lease,
        edges.map((due) => ({ due, nonce: randomUUID() })),
      );
      assert.deepEqual(await Promise.all(edges.map(dayOf)), Array(4).fill('runs_default'));
      const requests = Array.from({ length: 4 }, () => sql(pool, 'SELECT ensure_run_days($1, 2)', [start + 5]));
      await Promise.all(requests);
      assert.deepEqual(await Promise.all(edges.map(dayOf)), [
        'runs_default',
        ...['runs_20410501', 'runs_20410501', 'runs_20410502'],
      ]);
      const settled = await store.settle(
        lease,
        claims.map(({ row }) => settlement(row)),
      );
      assert.equal(settled.length, 4);
    });

    it('are made while runs are claimed and settled, and none is lost', async () => {
      const start = Date.UTC(2042, 0, 1);
      const lease = await openedLease(store);
      let made = false;
      const making = sql(pool, 'SELECT ensure_run_days($1, 5)', [start]).then(() => (made = true));
      let settled = 0;
      let claimed = 0;
      do {
        const requests = Array.from({ length: 50 }, (_, index) => ({
          due: dueAt(start + index * 8_000_000),
          nonce: randomUUID(),
        }));
        const rows = (await store.claim(lease, requests)).map(({ row }) => row);
        claimed += rows.length;
        settled += (
          await store.settle(
            lease,
            rows.map((row) => settlement(row)),
          )
        ).length;
      } while (!made);
      await making;
      assert.equal(settled, claimed);
    });

    it('go one by one, oldest first, and leave their unfinished runs', async () => {
      const start = Date.UTC(2001, 2, 1);
      await sql(pool, 'SELECT ensure_run_days($1, 2)', [start]);
      const lease = await openedLease(store);
      const [runs, waits, ended, next] = [0, 1, 2, DAY_MS].map((ms) => dueAt(start + ms)) as [
        DueRecord,
        DueRecord,
        DueRecord,
        DueRecord,
      ];
      const rows = new Map(
        (
          await store.claim(
            lease,
            [runs, waits, ended, next].map((due) => ({ due, nonce: randomUUID() })),
          )
        ).map(({ row }) => [row.runId, row]),
      );
      const rowOf = ({ runId }: DueRecord) => rows.get(runId) as { runId: string; token: number };
      await store.settle(lease, [retrying(rowOf(waits), 2), settlement(rowOf(ended)), settlement(rowOf(next))]);

      const drop = async (before: number) =>
        (await sql<{ days: number }>(pool, 'SELECT drop_run_days($1) AS days', [before]))[0]?.days;
      assert.equal(await drop(start + DAY_MS - 1), 0, 'the day is not over');
      assert.equal(await dayOf(runs), 'runs_20010301');
      assert.equal(await drop(start + 2 * DAY_MS), 2);
      assert.deepEqual(await Promise.all([runs, waits, ended, next].map(dayOf)), [
        ...['runs_default', 'runs_default', undefined, 'runs_20010302'],
      ]);
      assert.equal(await drop(start + 2 * DAY_MS), 1);
      assert.equal(await dayOf(next), undefined);
      assert.equal((await store.settle(lease, [settlement(rowOf(runs))])).length, 1, 'it still ends');
      assert.equal(await drop(Date.UTC(2002, 0, 1)), 0);
      assert.equal(await dayOf(runs), 'runs_default', 'it ended only now');
      while (await drop(Date.now() + 1_000));
      assert.equal(await dayOf(runs), undefined);
      assert.equal(await dayOf(waits), 'runs_default', 'unfinished runs stay');
    });
  });
});
