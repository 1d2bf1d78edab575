/** The backend on Kafka and PostgreSQL themselves, by the ports of the core. */
import type { BelfryClient } from '../client/client.ts';
import { placeOf, readRejected } from '../client/rejected.ts';
import { KEY_BYTES, makeKey } from '../core/api-key.ts';
import type { ApiKeys } from '../core/ports/api-keys.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Inspect } from '../core/ports/inspect.ts';
import type { Backend, KeyRing, Rejected } from './backend.ts';

/** Each is connected when it is first asked for. */
export type DirectParts = {
  client: () => BelfryClient;
  store: () => Inspect;
  apiKeys: () => ApiKeys;
  broker: () => Broker;
  clock: Clock;
  /** Name of the topic of refused commands. */
  rejectedTopic: () => string;
  /** What nobody can guess. */
  secretBytes: (count: number) => Buffer;
};

export function directBackend(parts: DirectParts): Backend {
  return {
    tenant: async () => 'default',
    client: () => parts.client(),
    inspect: () => parts.store(),
    keys: () => keyRing(parts),
    rejected: () => rejectedOn(parts),
  };
}

function keyRing({ apiKeys, secretBytes }: DirectParts): KeyRing {
  return {
    create: async (wanted) => {
      const { text, ...made } = makeKey(secretBytes(KEY_BYTES));
      return { text, key: await apiKeys().create({ ...wanted, ...made }) };
    },
    list: (tenant) => apiKeys().list(tenant),
    revoke: (prefix) => apiKeys().revoke(prefix),
    rotate: async (former, graceMs) => {
      const { text, ...made } = makeKey(secretBytes(KEY_BYTES));
      const key = await apiKeys().rotate(former, made, graceMs);
      return key && { text, key };
    },
  };
}

function rejectedOn({ broker, clock, rejectedTopic }: DirectParts): Rejected {
  const from = () => ({ broker: broker(), clock, topic: rejectedTopic() });
  return {
    list: (limit) => readRejected(from(), limit),
    find: async (place) => (await readRejected(from(), 1, (record) => placeOf(record) === place)).rejected[0],
  };
}
