/**
 * kafkajs, with its slowest parts replaced. What of Belfry needs kafkajs at run time takes it from here.
 *
 * Some of its internal modules are exchanged for ours (wire/) before anything else has loaded them. The version is pinned
 * and its upstream stands still, so that what is exchanged does not move; test/unit/kafka-wire.test.ts holds each of them
 * against the original. An application that had loaded kafkajs before keeps what it has: only slower.
 */
import { createRequire } from 'node:module';
import type * as Kafkajs from 'kafkajs';
import { BelfryError } from '../../core/errors.ts';
import { SystemClock } from '../clock.ts';
import { rememberCoordinators, tellingDenials, type Cluster } from './wire/coordinators.ts';
import {
  namingAdded,
  namingDescribed,
  namingFetched,
  namingProduced,
  type ResponseParser,
} from './wire/named-errors.ts';
import { encodeProduce, type ProduceRequest } from './wire/produce-request.ts';
import { decodeRecord } from './wire/record-decoder.ts';
import { restWhileNothingWaits, type RequestQueueClass } from './wire/request-queue.ts';

type Encoder = { buf: Buffer; offset: number };
type ProduceModule = (request: ProduceRequest & { compression?: number }) => object;
type Grouping<Message> = {
  topic: string;
  partitionMetadata: readonly unknown[];
  messages: readonly Message[];
  partitioner: (choice: { topic: string; partitionMetadata: readonly unknown[]; message: Message }) => number;
};

type GroupOfConsumer = { assigners: readonly { memberId?: string | null }[] };

const require = createRequire(import.meta.url);
const clock = new SystemClock();
/** Some of it, by the application: what that has, it keeps. */
const wasLoaded = Object.keys(require.cache).some((path) => /[\\/]kafkajs[\\/]src[\\/]/.test(path));

// Before the later versions of these, which take their parser from here, are loaded.
exchange<ResponseParser>('protocol/requests/produce/v3/response', namingProduced);
exchange<ResponseParser>('protocol/requests/addPartitionsToTxn/v0/response', namingAdded);
exchange<ResponseParser>('protocol/requests/metadata/v0/response', namingDescribed);
exchange<ResponseParser>('protocol/requests/fetch/v0/response', namingFetched);

exchange<ProduceModule>('protocol/requests/produce/v3/request', (original) => (request) => {
  const described = original(request);
  if (request.compression) return described;
  return { ...described, encode: () => Promise.resolve(asEncoder(encodeProduce(request, clock.machine()))) };
});

exchange('protocol/recordBatch/record/v0/decoder', () => decodeRecord);

/** The original copies a partition's list for each message that joins it. */
exchange('producer/groupMessagesPerPartition', () => groupByPartition);

/** What a producer keeps of its transaction: it asks for a coordinator before each of a transaction's requests. */
exchange<(options: { cluster: Cluster }) => object>(
  'producer/eosManager',
  (original) => (options) => original({ ...options, cluster: rememberCoordinators(options.cluster) }),
);

exchange<RequestQueueClass>('network/requestQueue', restWhileNothingWaits);

/** Else every new consumer is a new member, and its group waits for the one that it was until that one is given up. */
exchange<new (options: GroupOfConsumer) => { memberId: string | null }>(
  'consumer/consumerGroup',
  (Original) =>
    class extends Original {
      constructor(options: GroupOfConsumer) {
        super(options);
        this.memberId = options.assigners.find(({ memberId }) => memberId !== undefined)?.memberId ?? null;
      }
    },
);

// Last: it loads connections, and with them the queue of requests.
exchange('cluster/index', tellingDenials);

const kafkajs = require('kafkajs') as typeof Kafkajs;

export const { AssignerProtocol, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
export type Kafka = InstanceType<typeof Kafka>;

function exchange<Exports>(module: string, replacement: (original: Exports) => Exports): void {
  const path = require.resolve(`kafkajs/src/${module}`);
  if (!wasLoaded && require.cache[path] !== undefined)
    throw new BelfryError('bug', `kafkajs/src/${module} is exchanged too late: another of its modules has loaded it.`);
  const original = require(path) as Exports;
  require.cache[path]!.exports = replacement(original);
}

/** What kafkajs writes requests with, holding these bytes. */
function asEncoder(bytes: Buffer): Encoder {
  const Encoder = require('kafkajs/src/protocol/encoder') as new (size: number) => Encoder;
  return Object.assign(new Encoder(0), { buf: bytes, offset: bytes.length });
}

function groupByPartition<Message>({ topic, partitionMetadata, messages, partitioner }: Grouping<Message>): object {
  const groups: Record<number, Message[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) (groups[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  return groups;
}
