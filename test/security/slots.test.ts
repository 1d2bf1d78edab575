/** One tenant takes what it can get and gives nothing back. Another one must not notice. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { until } from '../conformance/broker-support.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, NO_RETRY, NOW } from '../integration/support/jobs.ts';

const SLOTS = 100;
const JOBS = 130;
const MOST_LATE_MS = 1_500;

describe('a tenant whose HTTP jobs never end', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  let server: Server;
  let open = 0;

  before(async () => {
    server = createServer((_, response) => {
      open++;
      response.writeHead(200).write('a');
      const drip = setInterval(() => response.write('a'), 200);
      response.once('close', () => clearInterval(drip));
    }).listen(0, '127.0.0.1');
    belfry = await TestDeployment.create();
    await Promise.all([belfry.timer(), belfry.executor({ env: { BELFRY_CONCURRENCY: String(SLOTS) } })]);
  });
  after(async () => {
    await belfry.destroy();
    server.closeAllConnections();
    server.close();
  });

  it('does not stop the runs of another tenant', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const jobs = Array.from({ length: JOBS }, (_, n) => ({
      jobId: `drip-${n}`,
      options: { tenant: 'hog' },
      job: {
        ...{ type: 'HTTP_REQUEST' as const, schedule: NOW, timeout: '7d', retry: NO_RETRY },
        payload: { method: 'GET' as const, url },
      },
    }));
    const sent = await belfry.client.scheduleMany(jobs);
    assert.ok(sent.every(({ status }) => status === 'fulfilled'));
    await belfry.untilRow(
      'the hog holds all slots',
      `SELECT 1 FROM runs WHERE status = 'RUNNING' HAVING count(*) = ${SLOTS}`,
    );
    await until('its requests are on their way', () => open > 0);
    for (let n = 0; n < 5; n++) {
      const at = new Date(Date.now() + 1_000).toISOString();
      await belfry.client.schedule(`honest-${n}`, custom('stamp', { at }), { tenant: 'honest' });
    }
    await belfry.untilRuns(5, 'COMPLETED', 15_000);
    for (const { result, scheduledFor, tenant } of belfry.distinct('COMPLETED').values()) {
      assert.equal(tenant, 'honest');
      const lateMs = (result as number) - scheduledFor;
      assert.ok(lateMs < MOST_LATE_MS, `late by ${lateMs} ms`);
    }
  });
});
