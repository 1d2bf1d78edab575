/** Who is measured, and with which settings. The settings are shown beside the figures; the README says why they are fair. */
import { javaPeer, nodePeer } from '../support/programs.ts';
import { BelfrySystem } from './belfry.ts';
import { PeerSystem } from './peer.ts';
import type { Candidate } from './system.ts';

const belfry: Candidate = {
  system: 'belfry',
  variant: 'best',
  settings:
    'one timer, one executor of 1,000 slots (BELFRY_CONCURRENCY), NODE_OPTIONS=--max-semi-space-size=64, 12 partitions',
  onPostgres: true,
  open: (env) => new BelfrySystem({ BELFRY_CONCURRENCY: '1000', NODE_OPTIONS: '--max-semi-space-size=64', ...env }),
};

const belfryDefault: Candidate = {
  system: 'belfry',
  variant: 'default',
  settings: 'one timer, one executor, all settings as they ship (100 slots, 12 partitions)',
  onPostgres: true,
  open: (env) => new BelfrySystem(env),
};

function bullmq(variant: string, redisHz: number, concurrency: number): Candidate {
  return {
    system: 'bullmq',
    variant,
    settings: `Redis appendfsync everysec, hz ${redisHz}; concurrency ${concurrency}, completed jobs removed`,
    open: () =>
      new PeerSystem({ program: () => nodePeer('bullmq.ts'), server: { redisHz }, settings: { concurrency } }),
  };
}

type GraphileSettings = {
  concurrentJobs: number;
  pollInterval: number;
  localQueueSize: number;
  completeJobBatchDelay: number;
};
function graphile(variant: string, settings: GraphileSettings, workloads?: readonly string[]): Candidate {
  const { concurrentJobs, pollInterval, localQueueSize, completeJobBatchDelay } = settings;
  return {
    system: 'graphile-worker',
    variant,
    settings: `${concurrentJobs} jobs at once, polls each ${pollInterval} ms, local queue ${localQueueSize}, completions batched for ${completeJobBatchDelay} ms (-1: not)`,
    onPostgres: true,
    ...(workloads && { workloads }),
    open: () => new PeerSystem({ program: () => nodePeer('graphile-worker.ts'), server: 'postgres', settings }),
  };
}

type BossSettings = { batchSize: number; pollingIntervalSeconds: number; burstWhenBatchFull: boolean };
function pgBoss(variant: string, settings: BossSettings): Candidate {
  const { batchSize, pollingIntervalSeconds, burstWhenBatchFull } = settings;
  return {
    system: 'pg-boss',
    variant,
    settings: `batches of ${batchSize}, polls each ${pollingIntervalSeconds} s${burstWhenBatchFull ? ', at once after a full batch' : ''}`,
    onPostgres: true,
    open: () => new PeerSystem({ program: () => nodePeer('pg-boss.ts'), server: 'postgres', settings }),
  };
}

function dbScheduler(variant: string, threads: number, pollMs: number, lockAndFetch: boolean): Candidate {
  const properties = {
    'bench.threads': String(threads),
    'bench.poll.ms': String(pollMs),
    'bench.lock.and.fetch': String(lockAndFetch),
  };
  return {
    system: 'db-scheduler',
    variant,
    settings: `${threads} threads, polls each ${pollMs} ms, ${lockAndFetch ? 'lock-and-fetch (1.0, 4.0)' : 'fetch, then lock each'}`,
    onPostgres: true,
    open: () => new PeerSystem({ program: () => javaPeer(properties), server: 'postgres', settings: {} }),
  };
}

const tunedGraphile = { concurrentJobs: 100, pollInterval: 100, localQueueSize: 500, completeJobBatchDelay: 0 };

/** Defaults are shown beside the best where users compare first. */
const WITH_DEFAULTS = ['drain', 'lateness'];

function byDefault(candidate: Candidate): Candidate {
  return { ...candidate, workloads: WITH_DEFAULTS };
}

/** In the order of the report; Belfry first; each system's best settings before its defaults. */
export const CANDIDATES: readonly Candidate[] = [
  belfry,
  byDefault(belfryDefault),
  bullmq('best', 100, 100),
  byDefault(bullmq('default', 10, 1)),
  graphile('best', tunedGraphile),
  graphile('polls each 10 ms', { ...tunedGraphile, pollInterval: 10 }, ['lateness']),
  byDefault(
    graphile('default', { concurrentJobs: 1, pollInterval: 2_000, localQueueSize: -1, completeJobBatchDelay: -1 }),
  ),
  pgBoss('best', { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }),
  byDefault(pgBoss('default', { batchSize: 1, pollingIntervalSeconds: 2, burstWhenBatchFull: false })),
  dbScheduler('best', 20, 100, true),
  byDefault(dbScheduler('default', 10, 10_000, false)),
];
