/**
 * Total classifier of what kafkajs throws. Its own `retriable` says whether the same client may try again, which is not
 * the caller's question, and its wrappers (retries exceeded, non-retriable) hide the reason as `cause`: the whole chain
 * is looked at.
 */
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { ErrorIds } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';

const REFUSED: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_PARTITIONS',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'POLICY_VIOLATION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
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
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
]);

/** What kafkajs itself never tries again: mistakes in code. */
const PROGRAMMING: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);

const isFenced = (thrown: unknown): boolean => mentions(thrown, FENCED);
export const isRefused = (thrown: unknown): boolean => mentions(thrown, REFUSED);
/** Waiting changes nothing: somebody must correct a setting or a permission. */
export const isWrongConfiguration = (thrown: unknown): boolean => mentions(thrown, WRONG_CONFIGURATION);
export const isProgrammingError = (thrown: unknown): boolean => mentions(thrown, PROGRAMMING);
export const hasType = (thrown: unknown, type: string): boolean => mentions(thrown, new Set([type]));

/** Any error as `producer_fenced`, `record_refused`, or else `broker_unavailable` (outcome unknown, worth trying again). */
export function classify(thrown: unknown, ids: ErrorIds = {}): BelfryError {
  if (thrown instanceof BelfryError) return thrown;
  const text = messageOf(thrown);
  if (isFenced(thrown)) {
    const message = `Another process took over this transactional id: ${text}`;
    return new BelfryError('producer_fenced', message, { cause: thrown, ids });
  }
  if (isRefused(thrown)) {
    return new BelfryError('record_refused', `Kafka refuses this: ${text}`, { cause: thrown, ids });
  }
  return unavailable(`Kafka could not be reached or did not answer in time: ${text}`, thrown, ids);
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
  // Causes may go round in circles: kafkajs makes an error its own cause's cause. Ten are more than it nests.
  for (let depth = 0, error = thrown; error instanceof Error && depth < 10; depth += 1, error = error.cause) {
    const { type } = error as { type?: unknown };
    if (typeof type === 'string' && words.has(type)) return true;
    if (words.has(error.name) || words.has(error.message)) return true;
  }
  return false;
}
