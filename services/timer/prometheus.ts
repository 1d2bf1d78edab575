import { LATENESS_BUCKETS, type Metrics } from '../runtime/metrics.ts';
import type { TimerMetrics } from './deps.ts';

/** The timer's figures as Prometheus has them. */
export function timerMetrics(metrics: Metrics): TimerMetrics {
  const lateness = metrics.histogram(
    'fire_lateness_seconds',
    'From the time of a timer to the decision that it fires.',
    LATENESS_BUCKETS,
  );
  const commands = metrics.counter('commands_total', 'Commands decided, by outcome.', ['outcome']);
  const steps = metrics.histogram(
    'step_duration_seconds',
    'One statement that applies what was decided.',
    LATENESS_BUCKETS,
  );
  const produced = metrics.counter('records_produced_total', 'Records produced from the outbox.');
  const refused = metrics.counter(
    'steps_refused_total',
    'Steps refused because another timer owns the partition by now.',
  );
  const filters = metrics.counter(
    'event_filters_failed_total',
    'Filters that could not be evaluated on an event, which therefore did not pass.',
  );
  const aside = metrics.counter(
    'inputs_set_aside_total',
    'Inputs rejected unread because two timers in a row were stuck at them: not 0 means that somebody should look (belfry doctor).',
  );
  return {
    fired: (lateMs) => lateness.observe(lateMs / 1_000),
    applied: (outcome) => commands.inc({ outcome }),
    stepped: (durationMs) => steps.observe(durationMs / 1_000),
    produced: (records) => produced.inc(records),
    refusedStep: () => refused.inc(),
    filtersFailed: (count) => filters.inc(count),
    setAside: () => aside.inc(),
  };
}
