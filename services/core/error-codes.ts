/**
 * Every error code that Belfry has: one closed set. What a code is, the status of HTTP and the exit code of the command line that it
 * means, and what it says, stand here alone; ERRORS.md beside this file is the same for people, and a test holds the two together.
 */

/**
 * - `input`: what was sent is wrong, and sending it again does not help.
 * - `access`: the key does not permit it, or too much was asked for.
 * - `missing`: there is no such thing.
 * - `state`: the state of things forbids it.
 * - `unavailable`: something is away or busy; the same again may succeed (`retryable`).
 * - `configuration`: whoever runs Belfry has to change something.
 * - `run`: how a run, or an attempt, came to its end.
 * - `internal`: one part tells another; a user who sees it has found a fault.
 */
export type ErrorKind = 'input' | 'access' | 'missing' | 'state' | 'unavailable' | 'configuration' | 'run' | 'internal';
export type ErrorFacts = {
  kind: ErrorKind;
  /** HTTP; null: the API tells nothing of it but 500. */
  status: number | null;
  /** Of the command line. */
  exit: 1 | 2 | 3 | 4 | 5;
  /** A sentence without its full stop, as the title of a problem. */
  text: string;
};

const of = (kind: ErrorKind, status: number | null, exit: ErrorFacts['exit'], text: string): ErrorFacts => ({
  ...{ kind, status, exit, text },
});

export const ERRORS = {
  // Commands that are rejected.
  unreadable: of('input', 400, 3, 'The request cannot be read'),
  invalid: of('input', 400, 3, 'The request is not valid'),
  too_large: of('input', 413, 3, 'The request is too large'),
  key_mismatch: of('input', 400, 3, 'The key of the record is not that of its job'),
  unknown_job: of('missing', 404, 4, 'There is no such job'),
  unknown_run: of('missing', 404, 4, 'There is no such run'),
  conflict: of('state', 409, 3, 'The state of things forbids this'),
  never_fires: of('state', 422, 3, 'The schedule has no occurrence ahead'),
  cycle: of('state', 409, 3, 'Jobs would wait for each other for ever'),
  quota: of('access', 403, 3, 'A quota of the tenant is used up'),
  not_permitted: of('access', 403, 3, 'The key may run the job, not change what it does'),
  // Requests.
  unauthorized: of('access', 401, 1, 'A valid API key is needed'),
  forbidden: of('access', 403, 1, 'The API key does not permit this'),
  rate_limited: of('unavailable', 429, 1, 'Too many requests'),
  not_found: of('missing', 404, 4, 'There is no such thing'),
  method_not_allowed: of('input', 405, 1, 'The address takes other methods'),
  version_mismatch: of('state', 412, 1, 'The job has another version'),
  unsupported_media_type: of('input', 415, 1, 'Send JSON'),
  idempotency_key_reused: of('input', 422, 1, 'The Idempotency-Key stands for another request'),
  internal: of('internal', 500, 1, 'Something went wrong'),
  // What is away.
  starting: of('unavailable', 503, 1, 'The API is starting'),
  overloaded: of('unavailable', 503, 1, 'Too much is under way'),
  closed: of('unavailable', 503, 1, 'It is stopping, or was closed'),
  no_answer: of('unavailable', 503, 5, 'No timer answered in time'),
  api_unavailable: of('unavailable', null, 5, 'The API cannot be reached'),
  api_unreadable: of('internal', null, 1, 'The API answered what this client cannot read'),
  broker_unavailable: of('unavailable', 503, 5, 'Kafka cannot be reached'),
  store_unavailable: of('unavailable', 503, 5, 'PostgreSQL cannot be reached'),
  registry_unavailable: of('unavailable', null, 5, 'The schema registry cannot be reached'),
  broker_denied: of('unavailable', 503, 5, 'Kafka denies Belfry a permission'),
  topic_missing: of('unavailable', 503, 5, 'A topic is missing'),
  // What whoever runs Belfry sees to.
  usage: of('configuration', null, 2, 'The arguments are wrong'),
  config_invalid: of('configuration', null, 2, 'The configuration is wrong'),
  config_mismatch: of('configuration', null, 2, 'The configuration differs from that of the deployment'),
  not_migrated: of('configuration', 503, 1, 'Belfry is not set up yet'),
  schema_newer: of('configuration', null, 1, 'The database belongs to a newer release'),
  schema_missing: of('configuration', null, 1, 'A schema is not registered'),
  topic_not_ours: of('configuration', null, 1, 'A topic of that name belongs to somebody else'),
  topic_refused: of('configuration', null, 1, 'Kafka refuses to make or change a topic'),
  registry_refused: of('configuration', null, 1, 'The schema registry refuses a schema'),
  no_such_queue: of('configuration', null, 1, 'There is no such queue'),
  no_database: of('configuration', null, 1, 'There is no such database'),
  broken_install: of('configuration', null, 1, 'A file of the package is missing'),
  port_taken: of('configuration', null, 1, 'The port is taken'),
  port_unusable: of('configuration', null, 1, 'The port cannot be listened at'),
  handlers_not_found: of('configuration', null, 1, 'There is no file of handlers'),
  handlers_invalid: of('configuration', null, 1, 'The handlers are not such'),
  webhook_key_missing: of('configuration', 503, 2, 'There is no key for secrets of webhooks'),
  // How attempts end; on runs, outcomes and dead runs.
  handler_error: of('run', null, 1, 'The handler threw'),
  handler_not_found: of('run', null, 1, 'No live executor had the handler for five minutes'),
  payload_invalid: of('run', null, 1, 'The payload does not fit the handler'),
  result_invalid: of('run', null, 1, 'The result of the handler is not JSON'),
  timeout: of('run', null, 1, 'It took longer than its timeout'),
  lost: of('run', null, 1, 'Its executor was lost three times, or it must not be tried twice'),
  cancelled: of('run', null, 1, 'The run, or its job, was cancelled'),
  http_status: of('run', null, 1, 'The answer has another status than was expected'),
  http_error: of('run', null, 1, 'No answer came'),
  address_denied: of('run', null, 1, 'The address is not to be reached from here'),
  secret_not_found: of('run', null, 1, 'There is no such secret'),
  secret_denied: of('run', null, 1, 'The secret is not for this host'),
  publish_failed: of('run', null, 1, 'The message cannot be published'),
  webhook_removed: of('run', null, 1, 'The webhook is gone'),
  webhook_disabled: of('run', null, 1, 'The webhook is disabled'),
  webhook_key_wrong: of('run', null, 1, 'The secret of the webhook was sealed with another key'),
  attempt_over: of('run', null, 1, 'The attempt is over: the handler can do nothing more with it'),
  shutdown: of('run', null, 1, 'The executor stops: another one runs it'),
  lost_lease: of('run', null, 1, 'The executor lost its lease: another one runs it'),
  transaction_ended: of('run', null, 1, 'The transaction of the run has ended'),
  // Servers that Belfry brings along, for `belfry dev` and tests.
  embedded_unsupported: of('configuration', null, 1, 'This machine cannot run the servers that come along'),
  jdk_missing: of('configuration', null, 1, 'There is no Java that is new enough'),
  maven_missing: of('configuration', null, 1, 'There is no Maven'),
  download_failed: of('unavailable', null, 1, 'A server could not be downloaded'),
  server_failed: of('configuration', null, 1, 'A server that comes along did not start'),
  data_dir_in_use: of('configuration', null, 1, 'Another process has the data directory'),
  no_free_port: of('configuration', null, 1, 'No port is free'),
  no_test_stack: of('configuration', null, 1, 'A test that needs servers was started without them'),
  // Between parts.
  edges_refused: of('internal', null, 1, 'The database refuses a chain'),
  bad_data: of('internal', null, 1, 'The database refuses the data'),
  store_error: of('internal', null, 1, 'The database refuses a statement'),
  step_unclear: of('internal', null, 1, 'Whether a step was applied is not known'),
  lease_lost: of('internal', null, 1, 'The lease of the executor is dead'),
  not_settled: of('internal', null, 1, 'A transaction ended without the end of its run'),
  rolled_back: of('internal', null, 1, 'A transaction was rolled back'),
  record_refused: of('internal', null, 1, 'Kafka will never take the record'),
  producer_fenced: of('internal', null, 1, 'Another producer has the transactional id'),
  unknown_partition: of('internal', null, 1, 'There is no such partition'),
  bug: of('internal', null, 1, 'Something that cannot be happened'),
} as const satisfies Readonly<Record<string, ErrorFacts>>;

export type ErrorCode = keyof typeof ERRORS;

/** What is said of a code; of one that programs of others made up, what is said of a fault of ours. */
export function factsOf(code: string): ErrorFacts {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : ERRORS.internal;
}

/** A code that came over the wire; one of a newer release, which is not known here, is `api_unreadable`. */
export function readErrorCode(text: string): ErrorCode {
  return Object.hasOwn(ERRORS, text) ? (text as ErrorCode) : 'api_unreadable';
}
