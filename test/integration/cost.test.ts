/**
 * What runs cost, as counts: unlike times, they say the same on a slow machine, so a change that asks more of the servers shows
 * here. Left out is what a service asks by the clock, however many runs there are.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { custom } from './support/jobs.ts';
import type { Service } from './support/service.ts';

const ONE_SHOTS = 2_000;
/** 10 jobs, each once a second. */
const RECURRING = { jobs: 10, runs: 50 };
const THOUSANDS = (ONE_SHOTS + RECURRING.runs) / 1_000;

/** For each thousand runs: what was measured, and half of it on top, since the size of batches varies with the machine. */
const LIMITS = { statements: 1.5 * 120, requests: 1.5 * 130, rows: 1.5 * 6_100 };
/** Polls and renewals. */
const BY_THE_CLOCK = {
  statements:
    /database_now|timer_stats|timer_timers|take_parked|release_parked|take_orphans|wake_waiting|tenant_list|leases|maintain_/,
  requests: /Fetch"|Heartbeat/,
};

type Counts = { statements: number; requests: number; rows: number };

describe('a thousand runs of a burst', { timeout: 90_000 }, () => {
  let belfry: TestDeployment;
  let services: Service[];
  let cost: Counts;

  before(async () => {
    belfry = await TestDeployment.create();
    services = await Promise.all([belfry.timer(), belfry.executor()]);
    cost = await costOf();
    console.log(`a thousand runs: ${JSON.stringify(cost)}`);
  });
  after(() => belfry.destroy());

  it('ask the database for little', () => assert.ok(cost.statements < LIMITS.statements, String(cost.statements)));
  it('write few rows', () => assert.ok(cost.rows < LIMITS.rows, String(cost.rows)));
  it('send few requests to Kafka', () => assert.ok(cost.requests < LIMITS.requests, String(cost.requests)));

  /** Of scheduling and running, for each thousand of runs. */
  async function costOf(): Promise<Counts> {
    const dueAt = Date.now() + 6_000;
    const start = await counts();
    const startAt = new Date(dueAt).toISOString();
    const endAt = new Date(dueAt + (RECURRING.runs / RECURRING.jobs) * 1_000).toISOString();
    const results = await belfry.client.scheduleMany([
      ...numbered(ONE_SHOTS).map((n) => ({ jobId: `once-${n}`, job: custom('noop', { at: startAt }) })),
      ...numbered(RECURRING.jobs).map((n) => ({
        jobId: `each-${n}`,
        // A slow machine may start a run late, so late that it overlaps with the next one.
        job: custom('noop', { every: '1s', startAt, endAt }, { overlap: 'allow' }),
      })),
    ]);
    assert.ok(results.every(({ status }) => status === 'fulfilled'));
    await belfry.untilRuns(ONE_SHOTS + RECURRING.runs, 'COMPLETED', 60_000);
    const end = await counts();
    // Backends tell what they wrote when they end, if not before.
    await Promise.all(services.map((service) => service.kill('SIGTERM')));
    const [written] = await belfry.rows<{ rows: number }>(
      'SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::int AS rows FROM pg_stat_user_tables WHERE schemaname = $1',
      [belfry.schema],
    );
    return {
      statements: Math.round((end.statements - start.statements) / THOUSANDS),
      requests: Math.round((end.requests - start.requests) / THOUSANDS),
      rows: Math.round((written?.rows ?? NaN) / THOUSANDS),
    };
  }

  async function counts(): Promise<{ statements: number; requests: number }> {
    const texts = await Promise.all(services.map((service) => service.metrics()));
    return {
      statements: total(texts, 'belfry_statements_total', BY_THE_CLOCK.statements),
      requests: total(texts, 'belfry_kafka_requests_total', BY_THE_CLOCK.requests),
    };
  }
});

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** The sum of a counter over its labels and all services, less what is left out. */
function total(texts: readonly string[], name: string, leftOut: RegExp): number {
  const values = texts.flatMap((text) => [...text.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\d+)$`, 'gm'))]);
  return values.reduce((sum, [, labels = '', value]) => sum + (leftOut.test(labels) ? 0 : Number(value)), 0);
}
