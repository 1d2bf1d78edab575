/**
 * What /readyz says beside the service's own reasons: what it waits for at its start, and which permissions it lacks in Kafka. Topics
 * that users' messages go to are not among them: who may not write to one fails those messages, and nobody else.
 */
import { adviceOn, type Denial } from '../core/ports/broker.ts';
import { isOwnTopic } from '../core/topics.ts';
import type { Config } from './config.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './ops-server.ts';

export class ServiceReadiness {
  /** What the service waits for before it is there. */
  waitingFor = 'waiting for Kafka, PostgreSQL or "belfry migrate"';
  private denials: () => readonly Denial[] = () => [];

  /** From here on, denials of this broker are told, also as a metric. */
  watch(broker: { readonly denials: readonly Denial[] }, config: Config, metrics: Metrics): void {
    const { topicPrefix, eventSources } = config;
    const sources = eventSources.map(({ topic }) => topic);
    const isNeeded = ({ resource, name }: Denial): boolean =>
      resource !== 'topic' ||
      name.split(', ').some((topic) => isOwnTopic(topicPrefix, topic) || sources.includes(topic));
    this.denials = () => broker.denials.filter(isNeeded);
    metrics.gauges('kafka_denied', 'What Kafka denies this service, 1 each: grant it.', 'resource', () =>
      this.denials().map(({ resource, name }) => [`${resource} ${name}`, 1] as const),
    );
  }

  /** @param service what it says itself; undefined: it is not there yet */
  of(service: Readiness | undefined): Readiness {
    const reasons = [...(service?.reasons ?? [this.waitingFor]), ...this.denials().map(adviceOn)];
    return { ok: service?.ok === true && reasons.length === 0, reasons };
  }
}
