/** What handlers return and throw, made fit to be stored: pure, and safe against anything that they may come up with. */
import { BelfryError, messageOf } from '../core/errors.ts';
import { isDeeperThan, MAX_RESULT_DEPTH } from '../core/internal/values.ts';
import type { RunError } from '../core/records.ts';
import { MAX_DURATION_MS } from '../core/spec/duration.ts';

const MAX_RESULT_BYTES = 64 * 1024;
const MAX_MESSAGE_CHARS = 4 * 1024;

/** Codes that handlers of the executor itself throw as BelfryErrors; all else is `handler_error`. */
const OWN_CODES = new Set([
  'payload_invalid',
  'http_status',
  'http_error',
  'address_denied',
  'secret_not_found',
  'secret_denied',
  'result_invalid',
  'webhook_removed',
  'webhook_disabled',
  'webhook_key_missing',
  'webhook_key_wrong',
]);

export type Failed = {
  kind: 'failed';
  error: RunError;
  retryable: boolean;
  /** The next attempt waits at least so long. */ retryAfterMs: number;
};
export type Completed = { kind: 'completed'; result: unknown; truncated: boolean };

/**
 * A handler's return value as JSON knows it; past 64 KiB the beginning of its JSON text. What JSON cannot hold, and what is
 * nested deeper than 1,000 levels, is `result_invalid`, without retry: the work itself is done.
 */
export function completed(value: unknown): Completed | Failed {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return failed('result_invalid', `the handler's result is not JSON: ${describe(error)}`, { retryable: false });
  }
  if (text === undefined) return { kind: 'completed', result: null, truncated: false };
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES) return { kind: 'completed', result: cut(text), truncated: true };
  const result: unknown = JSON.parse(text);
  if (isDeeperThan(MAX_RESULT_DEPTH, result)) {
    const message = `the handler's result is nested deeper than ${MAX_RESULT_DEPTH} levels`;
    return failed('result_invalid', message, { retryable: false });
  }
  return { kind: 'completed', result, truncated: false };
}

/** Whatever a handler threw, as a failed attempt. */
export function thrown(value: unknown): Failed {
  const code = value instanceof BelfryError && OWN_CODES.has(value.code) ? value.code : 'handler_error';
  return failed(code, describe(value), {
    retryable: field(value, 'retryable') !== false,
    retryAfterMs: waitOf(field(value, 'retryAfterMs')),
  });
}

/** Whole ms, as times are, and no longer than the longest duration: what lies beyond all calendars would never come. */
function waitOf(retryAfterMs: unknown): number {
  if (typeof retryAfterMs !== 'number' || Number.isNaN(retryAfterMs)) return 0;
  return Math.ceil(Math.min(Math.max(retryAfterMs, 0), MAX_DURATION_MS));
}

export function failed(
  code: string,
  message: string,
  options: { retryable?: boolean; retryAfterMs?: number } = {},
): Failed {
  return {
    kind: 'failed',
    error: { code, message: storable(message) },
    retryable: options.retryable ?? true,
    retryAfterMs: options.retryAfterMs ?? 0,
  };
}

/** Readable text of anything, even of objects whose own methods throw. */
export function describe(value: unknown): string {
  try {
    const text: unknown = messageOf(value);
    return typeof text === 'string' ? text : String(text);
  } catch {
    return 'the handler threw a value that cannot be shown';
  }
}

function field(value: unknown, name: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  } catch {
    return undefined;
  }
}

/** Text columns hold neither NUL nor half characters. */
function storable(message: string): string {
  return message.slice(0, MAX_MESSAGE_CHARS).replaceAll('\0', '\uFFFD').toWellFormed();
}

function cut(text: string): string {
  const head = Buffer.from(text).subarray(0, MAX_RESULT_BYTES).toString();
  return head.endsWith('\uFFFD') ? head.slice(0, -1) : head;
}
