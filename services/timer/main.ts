/** The timer as a process: real parts, figures, the ops server. */
import { hostname } from 'node:os';
import { enqueuedListener } from '../adapters/postgres/enqueued-listener.ts';
import { PostgresTenants } from '../adapters/postgres/tenants.ts';
import { PostgresWebhooks } from '../adapters/postgres/webhooks.ts';
import { PostgresStalls } from '../adapters/postgres/stalls.ts';
import { PostgresTimerStore } from '../adapters/postgres/timer-store.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerStats, TimerStore } from '../core/ports/timer-store.ts';
import { INTAKES } from '../core/topics.ts';
import { requireServers, type Config } from '../runtime/config.ts';
import { connect, watchdogOf, type Deployment } from '../runtime/main.ts';
import { Metrics } from '../runtime/metrics.ts';
import { startOpsServer } from '../runtime/ops-server.ts';
import { Polled } from '../runtime/polled.ts';
import { ServiceReadiness } from '../runtime/readiness.ts';
import { timerMetrics } from './prometheus.ts';
import { Timer } from './timer.ts';

const DEFAULT_PORT = 9401;
const POLL_MS = 5_000;

export type TimerParts = { store: TimerStore; broker: Broker };
export type RunningService = { port: number; stop(): Promise<void> };

export type TimerOptions = {
  /** Tests put their faults between the timer and its real parts. */
  decorate?: (parts: TimerParts) => TimerParts;
  /** A process of its own, which is to end when its event loop is stuck. */
  isWatched?: boolean;
};

/**
 * Starts a timer; servers that are away are waited for.
 * @param fail called when the process cannot go on
 * @throws BelfryError `config_invalid`, `config_mismatch`, `port_taken`
 */
export async function startTimerService(
  config: Config,
  log: Log,
  fail: (error: Error) => void,
  { decorate = (parts) => parts, isWatched = false }: TimerOptions = {},
): Promise<RunningService> {
  requireServers(config, { kafka: true, database: true });
  const metrics = new Metrics('timer');
  const service: { timer?: Timer } = {};
  const readiness = new ServiceReadiness();
  // Up before the servers are: a process that waits for Kafka is alive, and says what it waits for.
  const ops = await startOpsServer({
    host: config.opsHost,
    port: config.opsPort ?? config.port ?? DEFAULT_PORT,
    registry: metrics.registry,
    ready: () => readiness.of(service.timer?.ready()),
  });
  log.info({ port: ops.port }, 'timer: /healthz, /readyz and /metrics are served');
  const deployment = await connect(config, log, 'timer', metrics, { readiness });
  const watchdog = isWatched ? watchdogOf(config, { service: 'timer', clock: deployment.clock, log }) : undefined;
  const { store, broker } = decorate({ store: new PostgresTimerStore(deployment.pg), broker: deployment.broker });
  const timer = new Timer({
    ...{ store, broker, codec: deployment.codec, clock: deployment.clock, log },
    tenants: new PostgresTenants(deployment.pg),
    webhooks: new PostgresWebhooks(deployment.pg),
    stalls: new PostgresStalls(deployment.pg),
    ...(watchdog && { marks: watchdog.marks }),
    prefix: config.topicPrefix,
    partitions: deployment.meta.partitions,
    instance: `${hostname()}:${process.pid}:${deployment.ids.uuid().slice(0, 8)}`,
    spec: {
      allowInlineSecrets: config.allowInlineSecrets,
      topicPrefix: config.topicPrefix,
      allowTopics: config.kafkaAllowTopics,
    },
    historyMs: config.historyMs,
    eventSources: config.eventSources,
    onFatal: fail,
    listenEnqueued: enqueuedListener({
      ...{ databaseUrl: config.databaseDirectUrl, schema: config.databaseSchema },
      ...{ clock: deployment.clock, log },
    }),
    metrics: timerMetrics(metrics),
  });
  const polled = watch(deployment, store, timer, metrics);
  service.timer = timer;
  await timer.start();
  return {
    port: ops.port,
    stop: async () => {
      await timer.stop();
      await watchdog?.stop();
      await polled.stop();
      await deployment.close();
      await ops.close();
    },
  };
}

/** Figures that no event announces: what is overdue, behind, or in the way. */
function watch(deployment: Deployment, store: TimerStore, timer: Timer, metrics: Metrics): Polled<TimerStats> {
  const { clock, clockSync, log, meta, broker, topics } = deployment;
  const every = Array.from({ length: meta.partitions }, (_, partition) => partition);
  let lag = new Map<string, number>();
  const polled = new Polled(clock, log, POLL_MS, async () => {
    const stats = await store.stats(every);
    const next = new Map<string, number>();
    for (const intake of INTAKES) {
      const ranges = await broker.logRange(topics[intake]);
      let behind = 0;
      for (const [partition, position] of timer.positions(intake)) {
        behind += Math.max(0, Number((ranges.get(partition)?.end ?? position) - position));
      }
      next.set(intake, behind);
    }
    lag = next;
    return stats;
  });
  const now = (): TimerStats | undefined => polled.value;
  metrics.gauge(
    'partitions_owned',
    'Partitions of the job space that this timer owns.',
    () => timer.stats().partitionsOwned,
  );
  metrics.gauge('look_ahead_timers', 'Timers held in memory.', () => timer.stats().lookAhead);
  metrics.gauge('records_held', 'Records read and not applied yet.', () => timer.stats().held);
  metrics.gauge(
    'outbox_unproduced',
    'Outbox rows of this timer that wait to be produced.',
    () => timer.stats().outboxDepth,
  );
  metrics.gauge('outbox_rows', 'Outbox rows of all timers.', () => now()?.outboxDepth);
  metrics.gauge(
    'timers_overdue',
    'Timers more than a second late, up to 1,000 of each partition: not 0 for long means that nobody fires them.',
    () => now()?.overdue,
  );
  metrics.gauge(
    'timers_scheduled',
    'Timers that wait for their time, of all partitions; an estimate where one has more than 1,000.',
    () => now()?.timers,
  );
  metrics.gauge(
    'oldest_snapshot_seconds',
    'Age of the oldest snapshot held in the database: it keeps dead rows from being cleaned.',
    () => (now()?.oldestSnapshotAgeMs ?? 0) / 1_000,
  );
  metrics.gauge('clock_offset_seconds', "The database's time less this machine's.", () => clockSync.offsetMs / 1_000);
  metrics.gauges('intake_lag_records', 'Records of the partitions owned that are not applied yet.', 'topic', () => lag);
  return polled;
}
