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
/** Each by itself, at an even pace: what is due at nearly the same time must still go together. */
const SPREAD = { runs: 2_000, perSecond: 500 };

/** For each thousand runs: what was measured, and half of it on top, since the size of batches varies with the machine. */
const LIMITS = {
  burst: { statements: 1.5 * 100, requests: 1.5 * 90 },
  spread: { statements: 1.5 * 850, requests: 1.5 * 400 },
  rows: 1.5 * 6_100,
};
/** Polls and renewals. */
const BY_THE_CLOCK = {
  statements:
    /database_now|announce_service|timer_stats|timer_timers|take_parked|release_parked|take_orphans|wake_waiting|tenant_list|leases|maintain_/,
  requests: /Fetch"|Heartbeat/,
};

type Counts = { statements: number; requests: number };

describe('a thousand runs', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  let services: Service[];
  let spread: Counts;
  let burst: Counts;
  let rows: number;

  before(async () => {
    belfry = await TestDeployment.create();
    services = await Promise.all([belfry.timer(), belfry.executor()]);
    spread = await costOfSpread();
    burst = await costOfBurst();
    rows = await rowsWritten();
    console.log(`a thousand runs: ${JSON.stringify({ burst, spread, rows })}`);
  });
  after(() => belfry.destroy());

  it('of a burst ask the database for little', () => within(burst.statements, LIMITS.burst.statements));
  it('write few rows', () => within(rows, LIMITS.rows));
  it('of a burst send few requests to Kafka', () => within(burst.requests, LIMITS.burst.requests));
  it('that are due one after the other share what they ask', () => {
    within(spread.statements, LIMITS.spread.statements);
    within(spread.requests, LIMITS.spread.requests);
  });

  /** Of running alone: scheduling is over when the first is due. */
  async function costOfSpread(): Promise<Counts> {
    const dueAt = Date.now() + 5_000;
    await schedule(
      numbered(SPREAD.runs).map((n) => {
        const at = new Date(dueAt + (n * 1_000) / SPREAD.perSecond).toISOString();
        return { jobId: `spread-${n}`, job: custom('noop', { at }) };
      }),
    );
    const start = await counts();
    assert.ok(Date.now() < dueAt, 'scheduling took longer than planned');
    await belfry.untilRuns(SPREAD.runs, 'COMPLETED', 60_000);
    return perThousand(SPREAD.runs, start, await counts());
  }

  /** Of scheduling and running. */
  async function costOfBurst(): Promise<Counts> {
    const dueAt = Date.now() + 6_000;
    const start = await counts();
    const startAt = new Date(dueAt).toISOString();
    const endAt = new Date(dueAt + (RECURRING.runs / RECURRING.jobs) * 1_000).toISOString();
    await schedule([
      ...numbered(ONE_SHOTS).map((n) => ({ jobId: `once-${n}`, job: custom('noop', { at: startAt }) })),
      ...numbered(RECURRING.jobs).map((n) => ({
        jobId: `each-${n}`,
        // A slow machine may start a run late, so late that it overlaps with the next one.
        job: custom('noop', { every: '1s', startAt, endAt }, { overlap: 'allow' }),
      })),
    ]);
    const runs = ONE_SHOTS + RECURRING.runs;
    await belfry.untilRuns(SPREAD.runs + runs, 'COMPLETED', 60_000);
    return perThousand(runs, start, await counts());
  }

  /** Of everything, for each thousand runs. Ends the services: backends tell what they wrote when they end, if not before. */
  async function rowsWritten(): Promise<number> {
    await Promise.all(services.map((service) => service.kill('SIGTERM')));
    const [written] = await belfry.rows<{ rows: number }>(
      'SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::int AS rows FROM pg_stat_user_tables WHERE schemaname = $1',
      [belfry.schema],
    );
    return ((written?.rows ?? NaN) * 1_000) / (SPREAD.runs + ONE_SHOTS + RECURRING.runs);
  }

  async function schedule(jobs: Parameters<typeof belfry.client.scheduleMany>[0]): Promise<void> {
    const results = await belfry.client.scheduleMany(jobs);
    assert.ok(results.every(({ status }) => status === 'fulfilled'));
  }

  async function counts(): Promise<Counts> {
    const texts = await Promise.all(services.map((service) => service.metrics()));
    return {
      statements: total(texts, 'belfry_statements_total', BY_THE_CLOCK.statements),
      requests: total(texts, 'belfry_kafka_requests_total', BY_THE_CLOCK.requests),
    };
  }
});

function within(cost: number, limit: number): void {
  assert.ok(cost < limit, `${cost}, and at most ${limit}`);
}

function perThousand(runs: number, start: Counts, end: Counts): Counts {
  const of = (name: keyof Counts): number => Math.round(((end[name] - start[name]) * 1_000) / runs);
  return { statements: of('statements'), requests: of('requests') };
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** The sum of a counter over its labels and all services, less what is left out. */
function total(texts: readonly string[], name: string, leftOut: RegExp): number {
  const values = texts.flatMap((text) => [...text.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\d+)$`, 'gm'))]);
  return values.reduce((sum, [, labels = '', value]) => sum + (leftOut.test(labels) ? 0 : Number(value)), 0);
}
