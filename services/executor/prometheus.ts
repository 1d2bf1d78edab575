import { LATENESS_BUCKETS, type Metrics } from '../runtime/metrics.ts';
import type { ExecutorMetrics } from './metrics.ts';

/** The executor's figures as Prometheus has them. */
export function executorMetrics(metrics: Metrics): ExecutorMetrics {
  const runs = metrics.counter('runs_total', 'Attempts that ended, by what became of their run.', [
    'status',
    'handler',
  ]);
  const durations = metrics.histogram(
    'run_duration_seconds',
    'From the start of an attempt to its end.',
    LATENESS_BUCKETS,
    ['handler'],
  );
  const lateness = metrics.histogram(
    'start_lateness_seconds',
    'From the due time of an attempt to its start.',
    LATENESS_BUCKETS,
  );
  const handedOver = metrics.counter(
    'runs_handed_over_total',
    'Runs parked because another executor had a free slot, or the handler.',
  );
  const detached = metrics.counter('runs_detached_total', 'Runs parked because they ran long.');
  const takenOver = metrics.counter('runs_taken_over_total', 'Runs taken over from dead executors.');
  const unreadable = metrics.counter('due_records_unreadable_total', 'Due records that could not be read.');
  const publishFailures = metrics.counter(
    'publish_failures_total',
    'Kafka transactions that failed and were repeated.',
  );
  const leasesLost = metrics.counter('leases_lost_total', 'Times that this process was taken for dead.');
  let [used, total, waiting] = [0, 0, 0];
  metrics.gauge('slots_used', 'Slots in which a run is under way.', () => used);
  metrics.gauge('slots', 'Slots of this executor.', () => total);
  metrics.gauge('runs_waiting', 'Due records that wait for a slot here.', () => waiting);
  return {
    runFinished: (status, handler, durationMs) => {
      runs.inc({ status, handler });
      durations.observe({ handler }, durationMs / 1_000);
    },
    lateness: (lateMs) => lateness.observe(lateMs / 1_000),
    slots: (inUse, all) => ([used, total] = [inUse, all]),
    waiting: (count) => (waiting = count),
    handedOver: (count) => handedOver.inc(count),
    detached: (count) => detached.inc(count),
    takenOver: (count) => takenOver.inc(count),
    unreadable: () => unreadable.inc(),
    publishFailed: () => publishFailures.inc(),
    leaseLost: () => leasesLost.inc(),
  };
}
