/** The package's front door for applications: the client, wired to Kafka. */
import { SystemClock } from '../adapters/clock.ts';
import { jsonCodec } from '../adapters/codec/json-codec.ts';
import { Registry, type RegistrySettings } from '../adapters/codec/registry.ts';
import { RandomIds } from '../adapters/ids.ts';
import { KafkaBroker } from '../adapters/kafka/broker.ts';
import type { KafkaConfig } from '../adapters/kafka/connect.ts';
import type { Log } from '../core/ports/log.ts';
import { topicsOf } from '../core/topics.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import { makeLog } from '../runtime/logger.ts';
import { BelfryClient } from './client.ts';

import { BelfryError } from '../core/errors.ts';

export { BelfryError };
export type { Outcome } from '../core/records.ts';
export type { JobInput, ScheduleInput } from '../core/spec/input.ts';
export { defineHandlers } from '../executor/handlers/define.ts';
export type { Handlers } from '../executor/handlers/define.ts';
export type { HandlerContext } from '../executor/handlers/handler.ts';
export type * from './types.ts';

export type BelfryOptions = {
  /** `host:port` of Kafka's brokers. */
  brokers: readonly string[];
  clientId?: string;
  ssl?: KafkaConfig['ssl'];
  sasl?: KafkaConfig['sasl'];
  /** As the deployment's `BELFRY_TOPIC_PREFIX`. */
  topicPrefix?: string;
  /** As the deployment's `BELFRY_DB_SCHEMA`, for commands in a transaction of yours (`pg`). Default: `belfry`. */
  databaseSchema?: string;
  /** Needed where the deployment writes Avro. */
  registry?: RegistrySettings;
  /** A pino logger, or anything of its shape; default: warnings on standard error. */
  log?: Log;
};

/**
 * A client over Kafka: `new Belfry<typeof handlers>({ brokers: ['localhost:9092'] })`. Connects when it is first used;
 * commands go out as JSON, which every deployment reads.
 */
export class Belfry<H extends Handlers = Handlers> extends BelfryClient<H> {
  constructor(options: BelfryOptions) {
    const { brokers, clientId = 'belfry-client', ssl, sasl, topicPrefix = '', registry } = options;
    const log = options.log ?? makeLog('warn', 'client');
    const clock = new SystemClock();
    super({
      broker: new KafkaBroker({
        config: { brokers, clientId, ssl, sasl, groupPrefix: `${topicPrefix}belfry-` },
        log,
        clock,
      }),
      codec: jsonCodec(registry === undefined ? undefined : new Registry(registry)),
      clock,
      ids: new RandomIds(),
      log,
      topics: topicsOf(topicPrefix),
      databaseSchema: schemaOf(options.databaseSchema),
    });
  }
}

/** It stands in SQL as it is. @throws BelfryError `config_invalid` */
function schemaOf(schema: string | undefined): string | undefined {
  if (schema === undefined || /^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema;
  throw new BelfryError(
    'config_invalid',
    `databaseSchema "${schema}" must be lower-case letters, digits and underscores.`,
  );
}
