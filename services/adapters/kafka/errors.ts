/**
 * Total classifier of what kafkajs throws. Its own `retriable` says whether the same client may try again, which is not
 * the caller's question, and its wrappers (retries exceeded, non-retriable) hide the reason as `cause`: the whole chain
 * is looked at.
 */
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { ErrorIds } from '../../core/errors.ts';
import { adviceOn, type Denial, type Resource } from '../../core/ports/broker.ts';
import type { Clock } from '../../core/ports/clock.ts';

/** The record's own fault; of several that were sent at once, one's. Everything else is somebody's to mend, and tried again. */
const REFUSED: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD']);

/** What this user may not do, by the kind of thing that it is about. */
const DENIED: ReadonlyMap<string, Resource> = new Map([
  ['TOPIC_AUTHORIZATION_FAILED', 'topic'],
  ['GROUP_AUTHORIZATION_FAILED', 'group'],
  ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'transactional id'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'cluster'],
]);

/** Requests that come to nothing however often they are sent. */
const HOPELESS: ReadonlySet<string> = new Set([
  ...REFUSED,
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_PARTITIONS',
  'INVALID_TIMESTAMP',
  'POLICY_VIOLATION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
]);

/** Kafka's PRODUCER_FENCED (90) is younger than kafkajs, which knows no name for it. */
const FENCED: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'Unknown error code 90']);

const WRONG_CONFIGURATION: ReadonlySet<string> = new Set([
  'KafkaJSSASLAuthenticationError',
  'KafkaJSServerDoesNotSupportApiKey',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'UNSUPPORTED_VERSION',
  'INVALID_SESSION_TIMEOUT',
  'INVALID_GROUP_ID',
  'INCONSISTENT_GROUP_PROTOCOL',
]);

/** What kafkajs itself never tries again: mistakes in code. */
const PROGRAMMING: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);

const isFenced = (thrown: unknown): boolean => mentions(thrown, FENCED);
const isRefused = (thrown: unknown): boolean => mentions(thrown, REFUSED);
export const isDenied = (thrown: unknown): boolean => mentions(thrown, new Set(DENIED.keys()));
export const isHopeless = (thrown: unknown): boolean => mentions(thrown, HOPELESS);
/** Waiting changes nothing: somebody must correct a setting, and start the process anew. */
export const isWrongConfiguration = (thrown: unknown): boolean => mentions(thrown, WRONG_CONFIGURATION);
export const isProgrammingError = (thrown: unknown): boolean => mentions(thrown, PROGRAMMING);
export const hasType = (thrown: unknown, type: string): boolean => mentions(thrown, new Set([type]));

/**
 * Any error as `producer_fenced`, `record_refused`, `broker_denied` (with `ids.topic`, `ids.group` or `ids.transactionalId`), or else
 * `broker_unavailable` (outcome unknown, worth trying again).
 */
export function classify(thrown: unknown, ids: ErrorIds = {}): BelfryError {
  if (thrown instanceof BelfryError) return thrown;
  const text = messageOf(thrown);
  const denial = denialOf(thrown, ids);
  if (denial !== undefined) return new BrokerDenied(denial, thrown);
  if (isFenced(thrown)) {
    const message = `Another process took over this transactional id: ${text}`;
    return new BelfryError('producer_fenced', message, { cause: thrown, ids });
  }
  const topic = topicIn(thrown);
  const named = topic === undefined ? ids : { ...ids, topic };
  if (isRefused(thrown)) {
    return new BelfryError('record_refused', `Kafka refuses this: ${text}`, { cause: thrown, ids: named });
  }
  return unavailable(`Kafka could not be reached, or did not do it: ${text}`, thrown, named);
}

const IDS = { topic: 'topic', group: 'group', 'transactional id': 'transactionalId', cluster: undefined } as const;

/** `broker_denied`: this user may not do it until somebody grants it. */
export class BrokerDenied extends BelfryError {
  readonly denial: Denial;

  constructor(denial: Denial, cause: unknown) {
    const { resource, name } = denial;
    const id = IDS[resource];
    super('broker_denied', adviceOn(denial), {
      ...{ retryable: true, cause },
      ids: id === undefined ? {} : { [id]: name },
    });
    this.denial = denial;
  }
}

/** What this user is denied; undefined: it is about something else. @param ids what was asked for, where the error does not say it */
function denialOf(thrown: unknown, ids: ErrorIds): Denial | undefined {
  const words = chainOf(thrown).flatMap((error) => [(error as { type?: unknown }).type, error.message]);
  const resource = words.map((word) => DENIED.get(word as string)).find((found) => found !== undefined);
  if (resource === undefined) return undefined;
  const names = {
    topic: topicIn(thrown) ?? ids.topic,
    group: ids.group,
    'transactional id': ids.transactionalId,
    cluster: 'kafka-cluster',
  };
  return { resource, name: names[resource] ?? '?' };
}

/** The topic that Kafka named (wire/named-errors.ts). */
function topicIn(thrown: unknown): string | undefined {
  const topics = chainOf(thrown).map((error) => (error as { topic?: unknown }).topic);
  return topics.find((topic) => typeof topic === 'string');
}

export function topicMissing(message: string, ids: ErrorIds): BelfryError {
  return new BelfryError('topic_missing', message, { retryable: true, ids });
}

export function unavailable(message: string, cause?: unknown, ids: ErrorIds = {}): BelfryError {
  return new BelfryError('broker_unavailable', message, { retryable: true, cause, ids });
}

/**
 * Rejects with `broker_unavailable` when the work takes longer than `ms`; the work itself goes on, and the caller discards
 * the client that does it.
 */
export function within<T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(unavailable(`Kafka: ${what} took longer than ${ms} ms.`)));
    void work.then(resolve, reject).finally(cancel);
  });
}

function mentions(thrown: unknown, words: ReadonlySet<string>): boolean {
  return chainOf(thrown).some((error) => {
    const { type } = error as { type?: unknown };
    return (typeof type === 'string' && words.has(type)) || words.has(error.name) || words.has(error.message);
  });
}

/** An error and its causes. They may go round in circles: kafkajs makes an error its own cause's cause. Ten are more than it nests. */
function chainOf(thrown: unknown): Error[] {
  const chain: Error[] = [];
  for (let error = thrown; error instanceof Error && chain.length < 10; error = error.cause) chain.push(error);
  return chain;
}
