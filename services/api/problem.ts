/** Errors as RFC 9457 has them: `application/problem+json`, one type for each code. */
import type { FastifyError } from 'fastify';
import { BelfryError } from '../core/errors.ts';
import type { Path } from '../core/spec/problems.ts';

/** Where something is wrong: in the body (a JSON pointer), in the path or the query, or in a header. */
export type Fault = { pointer?: string; parameter?: string; header?: string; detail: string };

export type Problem = { type: string; title: string; status: number; detail: string; errors?: readonly Fault[] };

/** Statuses and titles of codes. What is not here is a fault of ours. */
const KINDS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  invalid: [400, 'The request is not valid'],
  unreadable: [400, 'The request cannot be read'],
  unauthorized: [401, 'A valid API key is needed'],
  forbidden: [403, 'The API key does not permit this'],
  quota: [403, 'A quota of the tenant is used up'],
  not_found: [404, 'There is no such thing'],
  unknown_job: [404, 'There is no such job'],
  unknown_run: [404, 'There is no such run'],
  method_not_allowed: [405, 'The address takes other methods'],
  conflict: [409, 'The state of things forbids this'],
  cycle: [409, 'Jobs would wait for each other for ever'],
  version_mismatch: [412, 'The job has another version'],
  too_large: [413, 'The request is too large'],
  unsupported_media_type: [415, 'Send JSON'],
  idempotency_key_reused: [422, 'The Idempotency-Key stands for another request'],
  never_fires: [422, 'The schedule has no occurrence ahead'],
  rate_limited: [429, 'Too many requests'],
  not_migrated: [503, 'Belfry is not set up yet'],
  webhook_key_missing: [503, 'The API has no key for secrets of webhooks'],
  starting: [503, 'The API is starting'],
  overloaded: [503, 'Too much is under way'],
  closed: [503, 'The API is stopping'],
  broker_unavailable: [503, 'Kafka cannot be reached'],
  broker_denied: [503, 'Kafka denies Belfry a permission'],
  topic_missing: [503, 'A topic is missing'],
  store_unavailable: [503, 'PostgreSQL cannot be reached'],
  no_answer: [503, 'No timer answered in time'],
};
const BY_STATUS: Readonly<Record<number, string>> = {
  404: 'not_found',
  413: 'too_large',
  415: 'unsupported_media_type',
};

/** A request that is refused, with all that is wrong with it. */
export class RequestError extends BelfryError {
  readonly faults: readonly Fault[];

  constructor(code: string, message: string, faults: readonly Fault[] = []) {
    super(code, message);
    this.faults = faults;
  }
}

/** The problem that an error is to the client: nothing of what failed inside is told. */
export function problemOf(error: Error | FastifyError): Problem {
  if (error instanceof BelfryError && Object.hasOwn(KINDS, error.code)) {
    return problem(error.code, error.message, faultsOf(error));
  }
  const status = 'statusCode' in error && !(error instanceof BelfryError) ? (error.statusCode ?? 500) : 500;
  if (status >= 400 && status < 500) return problem(BY_STATUS[status] ?? 'unreadable', error.message);
  const [type, title, detail] = [
    'urn:belfry:problem:internal',
    'Something went wrong',
    'The log of the API tells more.',
  ];
  return { type, title, status: 500, detail };
}

export function problem(code: string, detail: string, errors: readonly Fault[] = []): Problem {
  const [kind, title] = KINDS[code] ?? [500, 'Something went wrong'];
  // What the body names is missing, not what the address does.
  const status = kind === 404 && errors.some(({ pointer }) => pointer !== undefined) ? 422 : kind;
  return { type: `urn:belfry:problem:${code}`, title, status, detail, ...(errors.length > 0 && { errors }) };
}

function faultsOf(error: BelfryError): readonly Fault[] {
  if (error instanceof RequestError) return error.faults;
  return error.field === undefined ? [] : [{ pointer: pointerOfField(error.field), detail: error.message }];
}

/** `#/schedule/exclude/2`: a JSON pointer as the fragment of a URI. */
export function pointerOf(path: Path): string {
  const parts = path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  return `#${encodeURI(parts.join('').toWellFormed())}`;
}

/** From the name that a timer gives a field of the command: the body of a request holds the job itself. */
function pointerOfField(field: string): string {
  const path = field.replace(/^job\.(?=.)/, '').split(/[.[\]]+/);
  return pointerOf(path.filter((part) => part !== ''));
}
