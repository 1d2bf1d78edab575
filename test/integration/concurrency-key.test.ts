import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { custom, NOW } from './support/jobs.ts';

const SLOTS = 4;

describe('runs with a concurrency key', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4 });
    const few = { env: { BELFRY_CONCURRENCY: String(SLOTS) } };
    await Promise.all([belfry.timer(), belfry.executor(few), belfry.executor(few)]);
  });
  after(() => belfry.destroy());

  it('are never more at one time than the limit, over all executors, and all of them run', async () => {
    const shared = { payload: { ms: 40 }, concurrencyKey: { key: 'customer-42', limit: 2 } };
    const jobs = numbered(40).map((n) => ({ jobId: `limited-${n}`, job: custom('work', NOW, shared) }));
    await belfry.client.scheduleMany(jobs);
    await belfry.until('all have run', ended('limited-', 40), 60_000);
    assert.equal(await mostAtOnce('limited-%'), 2);
  });

  it('hold neither slots nor offsets while they wait: runs of other keys, without a key and of another tenant pass them', async () => {
    const long = { payload: { ms: 3_000 }, concurrencyKey: 'customer-7' };
    const waiting = numbered(5 * SLOTS).map((n) => ({ jobId: `waits-${n}`, job: custom('work', NOW, long) }));
    await belfry.client.scheduleMany(waiting);
    await belfry.untilRow('they wait', `SELECT 1 FROM parked WHERE kind = 'waiting' HAVING count(*) = $1`, [
      waiting.length - 1,
    ]);
    await belfry.client.scheduleMany(numbered(20).map((n) => ({ jobId: `free-${n}`, job: custom('noop', NOW) })));
    await belfry.client.schedule('other', custom('noop', NOW, { concurrencyKey: 'customer-8' }));
    await belfry.client.schedule('foreign', custom('noop', NOW, long), { tenant: 'acme' });
    await belfry.until('the others have run', (outcomes) =>
      [ended('free-', 20), ended('other', 1), ended('foreign', 1)].every((done) => done(outcomes)),
    );
    const [{ waits } = {}] = await belfry.rows<{ waits: number }>(
      `SELECT count(*)::int AS waits FROM parked WHERE kind = 'waiting'`,
    );
    assert.ok(waits! > 5 * SLOTS - 5, `${waits} wait`);
    for (const { jobId } of waiting) await belfry.client.cancel(jobId);
    await belfry.until('all have ended', ended('waits-', waiting.length), 60_000);
  });

  it('are CANCELLED soon after their job is, though their turn has not come', async () => {
    const shared = { payload: { ms: 60_000 }, concurrencyKey: 'customer-10' };
    await belfry.client.schedule('holds', custom('work', NOW, shared));
    await belfry.untilRow('it runs', `SELECT 1 FROM sink WHERE job_id = 'holds'`);
    const waiting = numbered(3).map((n) => ({ jobId: `behind-${n}`, job: custom('work', NOW, shared) }));
    await belfry.client.scheduleMany(waiting);
    await belfry.untilRow('they wait', `SELECT 1 FROM parked WHERE job_id LIKE 'behind-%' HAVING count(*) = 3`);
    for (const { jobId } of waiting) await belfry.client.cancel(jobId);
    await belfry.until('they are CANCELLED', ended('behind-', waiting.length), 10_000);
    const rows = await belfry.rows(`SELECT DISTINCT status FROM runs WHERE job_id LIKE 'behind-%' OR job_id = 'holds'`);
    assert.deepEqual(rows.map(({ status }) => status as string).sort(), ['CANCELLED', 'RUNNING']);
    await belfry.client.cancel('holds');
    await belfry.until('the other one ends, too', ended('holds', 1));
  });

  it('go on when the executor that had the place dies', async () => {
    const first = await belfry.executor({ env: { BELFRY_CONCURRENCY: '1' } });
    const shared = { concurrencyKey: 'customer-9' };
    const lives = belfry.services.filter(({ name, pid }) => name.startsWith('executor') && pid !== first.pid);
    await Promise.all(lives.map((each) => each.kill('SIGTERM')));
    await belfry.client.schedule('dies', custom('work', NOW, { ...shared, payload: { ms: 60_000 } }));
    await belfry.untilRow('it runs', `SELECT 1 FROM sink WHERE job_id = 'dies'`);
    await belfry.client.schedule('next', custom('record', NOW, shared));
    await belfry.executor();
    await belfry.untilRow('the other waits', `SELECT 1 FROM parked WHERE kind = 'waiting'`);
    await belfry.client.cancel('dies');
    await first.kill('SIGKILL');
    await belfry.until('the other runs', ended('next', 1), 30_000);
  });

  /** The most calls that were under way at one moment, as the handlers told. */
  async function mostAtOnce(jobs: string): Promise<number> {
    const [row] = await belfry.rows<{ most: number }>(
      `SELECT max(at_once)::int AS most FROM (
         SELECT sum(CASE what WHEN 'start' THEN 1 ELSE -1 END) OVER (ORDER BY at, what) AS at_once
         FROM sink WHERE job_id LIKE $1) s`,
      [jobs],
    );
    return row!.most;
  }
});

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

type Seen = readonly { jobId: string; runId: string }[];

function ended(jobs: string, count: number): (outcomes: Seen) => boolean {
  return (outcomes) =>
    new Set(outcomes.filter(({ jobId }) => jobId.startsWith(jobs)).map(({ runId }) => runId)).size >= count;
}
