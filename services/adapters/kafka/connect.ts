/**
 * Makes kafkajs clients. Traps closed here:
 *
 * - The cache of committed offsets and the metadata are shared per `new Kafka()`: every producer and consumer has its own.
 * - A kafkajs client that was given up goes on retrying, reconnects and may write minutes later, behind what its
 *   successor wrote. `destroy` ends its sockets and lets it open no other, so that a discarded client is dead for good.
 * - `NODE_ENV=test` changes kafkajs's retry defaults: every setting is given.
 * - kafkajs logs each retry as an error: its log goes to `debug`, unexpected errors to `warn`; the adapter itself tells
 *   what matters.
 */
import net from 'node:net';
import tls from 'node:tls';
import { Kafka, logLevel } from './kafkajs.ts';
import type { ISocketFactoryArgs, LogEntry, RequestEvent, RetryOptions, SASLOptions } from 'kafkajs';
import type { Log } from '../../core/ports/log.ts';

export type KafkaConfig = {
  /** `host:port`. */
  brokers: readonly string[];
  clientId: string;
  ssl?: boolean | tls.ConnectionOptions;
  sasl?: SASLOptions | undefined;
  /** What the throw-away groups of tails start with, for ACLs (`<topic prefix>belfry-`); `belfry-` unless given. */
  groupPrefix?: string;
  /** Told of every request that goes out, by the name of Kafka's API (`Produce`, `Fetch`, …). */
  onRequest?: (api: string) => void;
};

export type KafkaClient = {
  kafka: Kafka;
  /** Ends it at once, with all that it has under way. */
  destroy(): void;
};

const CONNECTION_TIMEOUT_MS = 3_000;
const AUTHENTICATION_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;

/** 0.1, 0.2, 0.4, 0.8, 1, 1 s: gives up within the deadline of a call, so that the caller hears why. */
const RETRY: RetryOptions = { initialRetryTime: 100, multiplier: 2, factor: 0.2, maxRetryTime: 1_000, retries: 6 };

export type ClientOptions = { requestTimeoutMs: number; retry?: RetryOptions };

/** A client of its own connections, caches and log. Connects when it is first used. */
export function openClient(config: KafkaConfig, log: Log, options: ClientOptions): KafkaClient {
  const sockets = new Set<net.Socket>();
  let destroyed = false;
  const kafka = new Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    ssl: config.ssl ?? false,
    ...(config.sasl ? { sasl: config.sasl } : {}),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    authenticationTimeout: AUTHENTICATION_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs,
    enforceRequestTimeout: true,
    retry: { ...RETRY, ...options.retry },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      if (!destroyed) writeLog(log, entry);
    },
    socketFactory: (target) => {
      if (destroyed) throw new Error('This Kafka client was discarded.');
      const socket = openSocket(target);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
  });
  if (config.onRequest) watchRequests(kafka, config.onRequest);
  return {
    kafka,
    destroy() {
      destroyed = true;
      for (const socket of sockets) socket.destroy(new Error('This Kafka client was discarded.'));
    },
  };
}

/** kafkajs tells of requests through each producer, consumer and admin by itself. */
function watchRequests(kafka: Kafka, onRequest: (api: string) => void): void {
  const [producer, consumer, admin] = [kafka.producer.bind(kafka), kafka.consumer.bind(kafka), kafka.admin.bind(kafka)];
  const tell = ({ payload }: RequestEvent): void => onRequest(payload.apiName);
  kafka.producer = (options) => {
    const made = producer(options);
    made.on(made.events.REQUEST, tell);
    return made;
  };
  kafka.consumer = (options) => {
    const made = consumer(options);
    made.on(made.events.REQUEST, tell);
    return made;
  };
  kafka.admin = (options) => {
    const made = admin(options);
    made.on(made.events.REQUEST, tell);
    return made;
  };
}

/** As kafkajs's own, without Nagle's delay. */
function openSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): net.Socket {
  // kafkajs passes false where there is no TLS, whatever its types say.
  const secure = ssl as tls.ConnectionOptions | boolean;
  const serverName = net.isIP(host) ? {} : { servername: host };
  const socket = secure
    ? tls.connect({ host, port, ...serverName, ...(secure === true ? {} : secure) }, onConnect)
    : net.connect({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setNoDelay(true);
  return socket;
}

/** What every rebalance, every transaction that follows another, every question about a topic that is not there, and every start meets. */
const EXPECTED =
  /rebalanc|concurrent operation|not aware of this member|limiting retries|not host this topic-partition|coordinator/i;

function writeLog(log: Log, { level, namespace, log: entry }: LogEntry): void {
  const { message, error, broker, groupId } = entry as { message: string } & Record<string, unknown>;
  const fields = { component: `kafkajs.${namespace}`, broker, groupId, error };
  const text = `${message} ${typeof error === 'string' ? error : ''}`;
  if (level === logLevel.ERROR && !EXPECTED.test(text)) log.warn(fields, message);
  else log.debug(fields, message);
}
