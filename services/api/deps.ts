/** What the API is made of: ports and limits. `main.ts` gives it the real parts. */
import type { FastifyBaseLogger, FastifyInstance, FastifySchema, FastifyTypeProvider } from 'fastify';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { BelfryClient } from '../client/client.ts';
import type { Actor } from '../core/audit.ts';
import type { Priority } from '../core/model.ts';
import type { ApiKeys, Scope } from '../core/ports/api-keys.ts';
import type { Audit } from '../core/ports/audit.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { IdempotencyKeys } from '../core/ports/idempotency-keys.ts';
import type { Inspect } from '../core/ports/inspect.ts';
import type { Log } from '../core/ports/log.ts';
import type { Rejections } from '../core/ports/rejections.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import type { Webhooks } from '../core/ports/webhooks.ts';
import type { CommandRate } from './command-rate.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import type { Topics } from '../core/topics.ts';

export type ApiDeps = {
  inspect: Inspect;
  /** Sends the commands. */
  client: BelfryClient;
  /** Where outcomes are heard. */
  broker: Broker;
  codec: Pick<Codec, 'decodeOutcome'>;
  topics: Topics;
  /** null: whoever reaches the API may do everything as the tenant `default`; it listens on loopback alone. */
  keys: ApiKeys | null;
  tenants: Tenants;
  webhooks: Webhooks;
  /** Seals the secrets of webhooks; undefined: none can be made. */
  webhookKey: Buffer | undefined;
  audit: Audit;
  rejections: Rejections;
  idempotencyKeys: IdempotencyKeys;
  secretBytes(count: number): Buffer;
  clock: Clock;
  ids: Ids;
  log: Log;
  spec: SpecOptions;
  /** Of commands in batches. */
  commandRate: CommandRate;
  /** Of streams, ms; absent: as documented. */
  streams?: { keepAliveMs: number; maxAgeMs: number };
  /** Of this package. */
  version: string;
  /** Requests a second that one key may make. */
  requestsPerSecond: number;
  /** Proxies whose word on the client's address counts: their networks, or whether the one so many hops away is one. Absent: none. */
  trustProxy?: string[] | ((address: string, hop: number) => boolean);
  /** What waits for executors; undefined while it is not known. */
  queueDepth(): readonly QueueDepth[] | undefined;
  /** A request was answered. */
  answered?: (route: string, method: string, status: number, durationMs: number) => void;
};

export type QueueDepth = { queue: string; priority: Priority; waiting: number };

/** On whose behalf a request acts. */
export type Caller = { tenant: string; scopes: readonly Scope[]; actor: Actor };

/** What handlers get is what the zod schemas make of the request. */
interface Validated extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
  serializer: unknown;
}
export type Api = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, Validated>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the key must permit, one of several. A route without it is refused when it is added. */
    scope?: Scope | readonly Scope[] | 'public';
    /** Its answers go on: how long they take is no latency. */
    isStream?: boolean;
  }
  interface FastifyRequest {
    caller: Caller;
  }
  interface FastifySchema {
    operationId?: string;
    summary?: string;
    description?: string;
    tags?: readonly string[];
    hide?: boolean;
    security?: readonly Readonly<Record<string, readonly string[]>>[];
  }
}
export type { FastifySchema };
