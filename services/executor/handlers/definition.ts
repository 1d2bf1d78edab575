/** Checks what users wrote as handlers, which TypeScript may never have seen, and reads its durations. */
import { BelfryError } from '../../core/errors.ts';
import type { JobSpec, RetryPolicy } from '../../core/model.ts';
import { saidBy } from '../../core/run-policy.ts';
import { parseJobSpec } from '../../core/spec/parse-command.ts';
import { unknownField } from '../../core/spec/problems.ts';
import type { HandlerDefinition, HandlerFunction, Handlers } from './define.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';

const FIELDS = ['payload', 'timeout', 'retry', 'concurrency', 'run'];
/** Handlers of Belfry's own stand under these names in registries, leases and parked rows. */
const RESERVED = ['HTTP_REQUEST', 'KAFKA_MESSAGE'];

/** A handler as its author meant it: durations in ms, undefined where nothing was said. */
export type CheckedHandler = {
  name: string;
  run: HandlerFunction;
  payload: StandardSchemaV1 | undefined;
  timeoutMs: number | undefined;
  retry: Partial<RetryPolicy> | undefined;
  concurrency: number | undefined;
};

/**
 * @param handlers by name: functions, or objects with a `run`
 * @throws BelfryError `handlers_invalid`, with the handler and the field in its message
 */
export function checkHandlers(handlers: Handlers): CheckedHandler[] {
  return Object.entries(handlers).map(([name, handler]) => {
    if (RESERVED.includes(name)) throw wrong(name, `this name is Belfry's own; choose another`);
    if (typeof handler === 'function') return checkDefinition(name, { run: handler });
    if (isRecord(handler)) return checkDefinition(name, handler);
    throw wrong(name, `must be a function or an object with a function "run", not ${kindOf(handler)}`);
  });
}

function checkDefinition(name: string, definition: Partial<HandlerDefinition<unknown>>): CheckedHandler {
  const unknown = Object.keys(definition).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw wrong(name, `${unknown} ${unknownField(unknown, 'a handler', FIELDS)}`);
  const { payload, timeout, retry, concurrency } = definition;
  const run: unknown = definition['run'];
  if (typeof run !== 'function') throw wrong(name, `needs a function "run", which is ${kindOf(run)}`);
  if (payload !== undefined && !isSchema(payload))
    throw wrong(name, 'payload must be a Standard Schema, such as those of zod (from 3.24), valibot and arktype');
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && concurrency > 0))
    throw wrong(name, `concurrency must be a whole number from 1 up, not ${String(concurrency)}`);
  const said = saidBy(specOf(name, timeout, retry));
  return {
    name,
    run: (ctx) => run.call(definition, ctx) as unknown,
    payload,
    timeoutMs: said.timeoutMs,
    retry: retry === undefined ? undefined : said.retry,
    concurrency,
  };
}

/** A handler's name, timeout and retry follow the rules of a job's, so a job that has them is what is checked. */
function specOf(name: string, timeout: unknown, retry: unknown): JobSpec {
  const job = { type: 'CUSTOM', handler: name, schedule: { in: '0s' }, timeout, retry };
  const parsed = parseJobSpec(job, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  if (!('rejection' in parsed)) return parsed;
  const { field, message } = parsed.rejection;
  throw wrong(name, field === 'handler' ? message.replace('handler', 'its name') : message);
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as Partial<StandardSchemaV1>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** For messages: what somebody gave in place of what was asked for. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function wrong(name: string, what: string): BelfryError {
  return new BelfryError('handlers_invalid', `Handler "${name}": ${what}.`, { field: name });
}
