/**
 * The figures of the README, measured on real Kafka, PostgreSQL and processes:
 * `npm run bench:figures [-- burst lateness failover sleeping]`. One line of JSON for each.
 */
import { readFileSync } from 'node:fs';
import type { Outcome } from '../../services/core/records.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

type Job = { jobId: string; job: ReturnType<typeof custom> };

const at = (ms: number): { at: string } => ({ at: new Date(ms).toISOString() });
const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Schedules in slices and answers how many were accepted in a second. */
async function scheduleAll(belfry: TestDeployment, jobs: readonly Job[]): Promise<number> {
  const begin = Date.now();
  for (let from = 0; from < jobs.length; from += 5_000) {
    const slice = jobs.slice(from, from + 5_000).map((each) => ({ ...each, options: { timeoutMs: 60_000 } }));
    const results = await belfry.client.scheduleMany(slice);
    const refused = results.find((result) => result.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }
  return Math.round((jobs.length * 1_000) / (Date.now() - begin));
}

function residentMb(service: Service): number {
  return Math.round(
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024,
  );
}

/** 20,000 one-shots due at one instant. */
async function burst(belfry: TestDeployment): Promise<object> {
  const count = 20_000;
  await Promise.all([belfry.timer(), belfry.executor()]);
  const dueAt = Date.now() + 25_000;
  const acceptedPerS = await scheduleAll(
    belfry,
    Array.from({ length: count }, (_, index) => ({ jobId: `burst-${index}`, job: custom('noop', at(dueAt)) })),
  );
  if (Date.now() > dueAt) throw new Error('scheduling took longer than planned');
  await belfry.untilRuns(count, 'COMPLETED', 120_000);
  const drainMs = Date.now() - dueAt;
  const [row] = await belfry.rows<{ runs: number; completed: number }>(
    `SELECT count(*)::int AS runs, count(*) FILTER (WHERE status = 'COMPLETED')::int AS completed FROM runs`,
  );
  return {
    figure: 'burst',
    count,
    ...row,
    events: belfry.outcomes.length,
    acceptedPerS,
    drainMs,
    runsPerS: Math.round((count * 1_000) / drainMs),
  };
}

/** 1,000 runs/s for 20 s, spread evenly. */
async function lateness(belfry: TestDeployment): Promise<object> {
  const [perSecond, seconds] = [1_000, 20];
  const count = perSecond * seconds;
  await Promise.all([belfry.timer(), belfry.executor()]);
  const firstAt = Date.now() + 25_000;
  await scheduleAll(
    belfry,
    Array.from({ length: count }, (_, index) => ({
      jobId: `late-${index}`,
      job: custom('stamp', at(firstAt + Math.floor((index * 1_000) / perSecond))),
    })),
  );
  if (Date.now() > firstAt) throw new Error('scheduling took longer than planned');
  await belfry.untilRuns(count, 'COMPLETED', 90_000);
  const late = [...belfry.distinct('COMPLETED').values()]
    .map((outcome) => (outcome.result as number) - outcome.scheduledFor)
    .sort((a, b) => a - b);
  return {
    figure: 'lateness',
    perSecond,
    seconds,
    count: late.length,
    early: late.filter((ms) => ms < 0).length,
    p50: percentile(late, 0.5),
    p90: percentile(late, 0.9),
    p99: percentile(late, 0.99),
    max: late.at(-1),
  };
}

/** Two timers, two executors, 100 runs/s; one of each dies with -9. */
async function failover(belfry: TestDeployment): Promise<object> {
  const [jobs, seconds] = [100, 40];
  const [timer, , executor] = await Promise.all([belfry.timer(), belfry.timer(), belfry.executor(), belfry.executor()]);
  const startAt = new Date(Date.now() + 5_000).toISOString();
  const endAt = new Date(Date.parse(startAt) + seconds * 1_000).toISOString();
  await scheduleAll(
    belfry,
    Array.from({ length: jobs }, (_, index) => ({
      jobId: `tick-${index}`,
      job: custom('record', { every: '1s', startAt, endAt }, { overlap: 'allow' }),
    })),
  );
  await belfry.until('it runs', (outcomes) => outcomes.length > 5 * jobs);
  const timerDiedAt = Date.now();
  await timer.kill('SIGKILL');
  await belfry.until('it goes on', (outcomes) => outcomes.length > 20 * jobs, 60_000);
  const executorDiedAt = Date.now();
  await executor.kill('SIGKILL');
  await belfry.untilRuns(jobs * seconds, 'COMPLETED', 120_000);
  const outcomes = [...belfry.distinct('COMPLETED').values()];
  const gap = (diedAt: number): number =>
    Math.max(
      ...outcomes
        .filter(({ scheduledFor }) => scheduledFor > diedAt - 1_000 && scheduledFor < diedAt + 12_000)
        .map((o) => o.finishedAt - o.scheduledFor),
    );
  const [row] = await belfry.rows<{ runs: number; completed: number }>(
    `SELECT count(*)::int AS runs, count(*) FILTER (WHERE status = 'COMPLETED')::int AS completed FROM runs`,
  );
  return {
    figure: 'failover',
    expected: jobs * seconds,
    ...row,
    distinctEvents: distinctEvents(belfry.outcomes),
    timerGapMs: gap(timerDiedAt),
    executorGapMs: gap(executorDiedAt),
  };
}

function distinctEvents(outcomes: readonly Outcome[]): number {
  return new Set(outcomes.map(({ eventId }) => eventId)).size;
}

/** 100,000 jobs for tomorrow. */
async function sleeping(belfry: TestDeployment): Promise<object> {
  const count = 100_000;
  const timer = await belfry.timer();
  const tomorrow = Date.now() + 86_400_000;
  const acceptedPerS = await scheduleAll(
    belfry,
    Array.from({ length: count }, (_, index) => ({
      jobId: `sleep-${index}`,
      job: custom('noop', at(tomorrow + index)),
    })),
  );
  const afterIntakeMb = residentMb(timer);
  await timer.kill('SIGTERM');
  const begin = Date.now();
  const again = await belfry.timer();
  const restartMs = Date.now() - begin;
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  return { figure: 'sleeping', count, acceptedPerS, afterIntakeMb, restartMs, residentMb: residentMb(again) };
}

const figures = { burst, lateness, failover, sleeping };
const wanted = process.argv.slice(2);
for (const [name, measure] of Object.entries(figures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const belfry = await TestDeployment.create();
  console.log(JSON.stringify(await measure(belfry)));
  await Promise.all(belfry.services.map((service) => service.kill('SIGTERM')));
  await belfry.destroy();
}
process.exit();
