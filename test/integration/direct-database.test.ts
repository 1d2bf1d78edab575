/** A pooler between Belfry and PostgreSQL: what needs a session of its own goes to the server itself, by another address. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { sharedTestStack } from '../../infra/embedded/testing.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, NOW } from './support/jobs.ts';

describe('with DATABASE_DIRECT_URL', { timeout: 60_000 }, () => {
  const role = `direct_${randomBytes(4).toString('hex')}`;
  const { databaseUrl } = sharedTestStack();
  const admin = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  let belfry: TestDeployment;
  before(async () => {
    await admin.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${role}'`);
    const direct = new URL(databaseUrl);
    direct.username = role;
    direct.password = role;
    belfry = await TestDeployment.create({ partitions: 4, env: { DATABASE_DIRECT_URL: direct.href } });
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  after(async () => {
    await belfry.destroy();
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });

  it("a lease's thread and the listener for enqueued commands use it, everything else does not; jobs run", async () => {
    await belfry.client.schedule('one', custom('record', NOW));
    await belfry.untilRuns(1, 'COMPLETED');
    const sessions = await belfry.untilRow(
      'both are there',
      `SELECT array_agg(DISTINCT application_name ORDER BY application_name) AS names
       FROM pg_stat_activity WHERE usename = $1 HAVING count(*) >= 2`,
      [role],
    );
    assert.deepEqual(sessions.names, ['belfry-lease', 'belfry-timer-listen']);
  });
});
