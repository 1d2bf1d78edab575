/** Commands in the user's own transaction, through real servers: what is committed is applied once, what is rolled back never. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import type { BelfryError } from '../../services/client/main.ts';
import { Belfry } from '../../services/client/main.ts';
import { partitionOf } from '../../services/core/murmur2.ts';
import { readConfig } from '../../services/runtime/config.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

const FAULTY = new URL('../integration/support/faulty-timer.ts', import.meta.url).pathname;

describe('commands in a transaction of the user', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  let client: Belfry;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4 });
    // No broker answers there: what is enqueued needs none.
    client = new Belfry({ brokers: ['127.0.0.1:1'], databaseSchema: belfry.schema, log: SILENT });
    await belfry.executor();
  });
  after(async () => {
    await client.close();
    await belfry.destroy();
  });

  const ranOnce = async (jobId: string): Promise<void> => {
    await belfry.until(`${jobId} has run`, (outcomes) => outcomes.some((outcome) => outcome.jobId === jobId));
    const runs = await belfry.rows('SELECT status FROM runs WHERE job_id = $1', [jobId]);
    assert.deepEqual(runs, [{ status: 'COMPLETED' }]);
    assert.equal((await belfry.rows('SELECT 1 FROM sink WHERE job_id = $1', [jobId])).length, 1);
  };
  /** A test that fails leaves no timer to the next one, whose commands it would apply. */
  const timerOf = async (t: TestContext): Promise<Service> => {
    const timer = await belfry.timer();
    t.after(() => timer.kill('SIGKILL'));
    return timer;
  };
  const untilApplied = (): Promise<unknown> =>
    belfry.untilRow('all is applied', 'SELECT 1 WHERE NOT EXISTS (SELECT FROM enqueued)');

  it('committed runs once, rolled back never', async (t) => {
    const timer = await timerOf(t);
    await belfry.transaction((pg) => client.schedule('never', custom('record', NOW), { pg }), 'ROLLBACK');
    await belfry.transaction(async (pg) => {
      const { outcome } = await client.schedule('once', custom('record', NOW), { pg });
      assert.equal(outcome, 'enqueued');
    });
    await ranOnce('once');
    await untilApplied();
    assert.deepEqual(await belfry.rows(`SELECT 1 FROM jobs WHERE job_id = 'never'`), []);
    assert.equal(await timer.kill('SIGTERM'), 0);
  });

  it('all that one transaction enqueues for a job is applied in its order, and what commits late is not passed over', async (t) => {
    const slow = await belfry.pool.connect();
    await slow.query('BEGIN');
    await client.schedule('late', custom('record', NOW), { pg: slow });
    const timer = await timerOf(t);
    await belfry.transaction(async (pg) => {
      for (let n = 1; n <= 40; n++)
        await client.schedule('ordered', custom('noop', { every: '1h' }, { payload: { n } }), { pg });
      await client.pause('ordered', { pg });
    });
    await belfry.untilRow('the last is applied', `SELECT 1 FROM jobs WHERE job_id = 'ordered' AND state = 'PAUSED'`);
    const [job] = await belfry.rows<{ version: number; spec: string }>(
      `SELECT version, spec FROM jobs WHERE job_id = 'ordered'`,
    );
    assert.deepEqual([job!.version, (JSON.parse(job!.spec) as { payload: object }).payload], [40, { n: 40 }]);
    await slow.query('COMMIT');
    slow.release();
    await ranOnce('late');
    assert.equal(await timer.kill('SIGTERM'), 0);
  });

  for (const fault of ['before-step', 'after-intake']) {
    it(`a timer that is killed ${fault === 'before-step' ? 'before' : 'after'} the step that applies them leaves each to be applied once`, async (t) => {
      const ids = Array.from({ length: 20 }, (_, n) => `fault-${fault}-${n}`);
      await belfry.transaction(async (pg) => {
        for (const id of ids) await client.schedule(id, custom('record', NOW), { pg });
      });
      const victim = await belfry.start([], { script: FAULTY, env: { FAULT: fault }, waitReady: false });
      await victim.ended();
      assert.equal(victim.child.signalCode, 'SIGKILL');
      const heir = await timerOf(t);
      for (const id of ids) await ranOnce(id);
      const versions = await belfry.rows('SELECT DISTINCT version FROM jobs WHERE job_id = ANY ($1)', [ids]);
      assert.deepEqual(versions, [{ version: 1 }]);
      assert.equal(await heir.kill('SIGTERM'), 0);
    });
  }

  it('what cannot be a command fails where it is enqueued; what is refused later lands on the topic of rejections', async (t) => {
    const timer = await timerOf(t);
    const refused = belfry.transaction((pg) => client.cancel('no such id', { pg }));
    await assert.rejects(
      refused,
      (error: BelfryError) => error.code === 'invalid' && /jobId must be/.test(error.message),
    );
    const rejected = belfry.firstRecord(belfry.topics.rejected, 'default/odd');
    await belfry.transaction((pg) => client.schedule('odd', custom('noop', { cron: 'often' }), { pg }));
    const { headers } = await rejected;
    assert.equal(headers.belfry_error_code, 'invalid');
    assert.equal(headers.belfry_origin_topic, 'enqueued');
    assert.equal(await timer.kill('SIGTERM'), 0);
  });

  it('a number that JavaScript would change is refused as on Kafka, and __proto__ is a key like any other', async (t) => {
    const timer = await timerOf(t);
    const enqueue = (jobId: string, payload: string) => {
      const job = `{"type":"CUSTOM","handler":"record","schedule":{"in":"0s"},"payload":${payload}}`;
      const command = `{"type":"schedule","commandId":"${jobId}","tenant":"default","jobId":"${jobId}","job":${job}}`;
      return belfry.rows(`SELECT ${belfry.schema}.enqueue($1::jsonb)`, [command]);
    };
    for (const [jobId, number] of [
      ['too-long', '9007199254740993'],
      ['too-large', '1e400'],
    ] as const) {
      const rejected = belfry.firstRecord(belfry.topics.rejected, `default/${jobId}`);
      await enqueue(jobId, `{"n":${number}}`);
      const { headers } = await rejected;
      assert.equal(headers.belfry_error_code, 'invalid');
      assert.match(headers.belfry_error_message ?? '', /^job\.payload\.n is .*: send it as text/);
    }
    await enqueue('proto', '{"__proto__":{"a":1}}');
    await ranOnce('proto');
    const [job] = await belfry.rows<{ spec: string }>(`SELECT spec FROM jobs WHERE job_id = 'proto'`);
    assert.match(job!.spec, /"payload":{"__proto__":{"a": ?1}}/);
    assert.equal(await timer.kill('SIGTERM'), 0);
  });

  it('a role with no more than the function may enqueue and read nothing, and search paths of callers mislead nobody', async () => {
    const role = `${belfry.schema}_app`;
    const app = new pg.Client({ connectionString: readConfig(belfry.env).databaseUrl });
    await app.connect();
    try {
      await app.query(`CREATE ROLE ${role}; SET ROLE ${role}`);
      const enqueue = (): Promise<unknown> => client.cancel('warm', { pg: app });
      await assert.rejects(enqueue(), { code: '42501' });
      await app.query(
        `RESET ROLE; GRANT USAGE ON SCHEMA ${belfry.schema} TO ${role}; GRANT EXECUTE ON FUNCTION ${belfry.schema}.enqueue TO ${role}; SET ROLE ${role}`,
      );
      await app.query(
        'CREATE TEMP TABLE enqueued (partition int, id bigint, enqueued_at bigint, key text, command text)',
      );
      await enqueue();
      assert.equal((await app.query('SELECT 1 FROM pg_temp.enqueued')).rowCount, 0);
      await assert.rejects(app.query(`SELECT 1 FROM ${belfry.schema}.enqueued`), { code: '42501' });
    } finally {
      await app.query('RESET ROLE');
      await app.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      await app.end();
    }
  });

  it('the database finds the partition of a key as Kafka does', async () => {
    const keys = Array.from({ length: 2_000 }, (_, n) => `t${n % 7}/${'jöb-🔔.'.repeat(n % 9)}${n}`);
    const rows = await belfry.rows<{ p: number }>(
      'SELECT job_partition(k, 12) AS p FROM unnest($1::text[]) WITH ORDINALITY AS x (k, n) ORDER BY n',
      [keys],
    );
    assert.deepEqual(
      rows.map(({ p }) => p),
      keys.map((key) => partitionOf(key, 12)),
    );
  });

  it('a handler schedules with its own transaction, and once however often it is tried', async () => {
    const timer = await belfry.timer();
    const flaky = custom('schedules', NOW, {
      payload: { until: 3 },
      retry: { maxRetries: 3, initialDelay: '50ms', factor: 1 },
    });
    await belfry.client.schedule('chain', flaky);
    await belfry.until('its third attempt is committed', (outcomes) => outcomes.some(({ jobId }) => jobId === 'chain'));
    await ranOnce('chain-next');
    await untilApplied();
    const [next] = await belfry.rows(`SELECT version FROM jobs WHERE job_id = 'chain-next'`);
    assert.deepEqual(next, { version: 1 });
    assert.deepEqual(await belfry.rows(`SELECT 1 FROM jobs WHERE job_id = 'chain-rolled-back'`), []);
    assert.equal((await belfry.rows(`SELECT 1 FROM jobs WHERE job_id = 'chain-committed'`)).length, 1);
    assert.equal(await timer.kill('SIGTERM'), 0);
  });
});
