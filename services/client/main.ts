/** The package's front door for applications: the client, over Kafka or over HTTP. */
import { SystemClock } from '../adapters/clock.ts';
import type { RegistrySettings } from '../adapters/codec/registry.ts';
import { RandomIds } from '../adapters/ids.ts';
import type { KafkaConfig } from '../adapters/kafka/connect.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { topicsOf } from '../core/topics.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import { makeLog } from '../runtime/logger.ts';
import { BelfryClient } from './client.ts';
import { HttpTransport } from './http/transport.ts';
import { LazyTransport, type Transport } from './transport.ts';

import { BelfryError } from '../core/errors.ts';

export { BelfryError };
export type { Outcome } from '../core/records.ts';
export type { JobInput, ScheduleInput } from '../core/spec/input.ts';
export { defineHandlers } from '../executor/handlers/define.ts';
export type { Handlers } from '../executor/handlers/define.ts';
export type { HandlerContext } from '../executor/handlers/handler.ts';
export type * from './types.ts';

type CommonOptions = {
  /** As the deployment's `BELFRY_DB_SCHEMA`, for commands in a transaction of yours (`pg`). Default: `belfry`. */
  databaseSchema?: string;
  /** A pino logger, or anything of its shape; default: warnings on standard error. */
  log?: Log;
};

/** Over Kafka. */
export type KafkaOptions = CommonOptions & {
  /** `host:port` of Kafka's brokers. */
  brokers: readonly string[];
  clientId?: string;
  ssl?: KafkaConfig['ssl'];
  sasl?: KafkaConfig['sasl'];
  /** As the deployment's `BELFRY_TOPIC_PREFIX`. */
  topicPrefix?: string;
  /** Needed where the deployment writes Avro. */
  registry?: RegistrySettings;
};

/** Over HTTP: nothing but the API needs to be within reach, and no Kafka library is loaded. */
export type HttpOptions = CommonOptions & {
  /** Where the API is: `https://belfry.example.com`, without `/api`. */
  url: string;
  /** `bfy_…`: the tenant is the key's. Absent where the API runs with `BELFRY_AUTH=off`. */
  apiKey?: string;
};

export type BelfryOptions = KafkaOptions | HttpOptions;

/**
 * `new Belfry<typeof handlers>({ brokers: ['localhost:9092'] })`, or `new Belfry({ url: 'https://…', apiKey: 'bfy_…' })`: the same
 * verbs, answers and errors. Connects when it is first used.
 * @throws BelfryError `config_invalid`
 */
export class Belfry<H extends Handlers = Handlers> extends BelfryClient<H> {
  constructor(options: BelfryOptions) {
    const log = options.log ?? makeLog('warn', 'client');
    const parts = { log, clock: new SystemClock(), ids: new RandomIds() };
    const transport = 'url' in options ? new HttpTransport({ ...options, ...parts }) : overKafka(options, parts);
    super({ transport, ids: parts.ids, databaseSchema: schemaOf(options.databaseSchema) });
  }
}

type Parts = { log: Log; clock: Clock };

/** Commands go out as JSON, which every deployment reads. The libraries of Kafka are loaded here alone. */
function overKafka(options: KafkaOptions, { log, clock }: Parts): Transport {
  const { brokers, clientId = 'belfry-client', ssl, sasl, topicPrefix = '', registry } = options;
  return new LazyTransport('default', async () => {
    const [{ KafkaBroker }, { KafkaTransport }, { jsonCodec }] = await Promise.all([
      import('../adapters/kafka/broker.ts'),
      import('./kafka-transport.ts'),
      import('../adapters/codec/json-codec.ts'),
    ]);
    const Registry = registry && (await import('../adapters/codec/registry.ts')).Registry;
    const config = { brokers, clientId, ssl, sasl, groupPrefix: `${topicPrefix}belfry-` };
    return new KafkaTransport({
      broker: new KafkaBroker({ config, log, clock }),
      codec: jsonCodec(Registry && new Registry(registry)),
      ...{ clock, log, topics: topicsOf(topicPrefix) },
    });
  });
}

/** It stands in SQL as it is. @throws BelfryError `config_invalid` */
function schemaOf(schema: string | undefined): string | undefined {
  if (schema === undefined || /^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema;
  throw new BelfryError(
    'config_invalid',
    `databaseSchema "${schema}" must be lower-case letters, digits and underscores.`,
  );
}
