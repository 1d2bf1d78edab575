import type { ErrorCode } from './error-codes.ts';

/** The ids that an error concerns, for logs and for answers to users. */
export type ErrorIds = {
  tenant?: string;
  jobId?: string;
  runId?: string;
  commandId?: string;
  topic?: string;
  group?: string;
  transactionalId?: string;
  partition?: number;
  offset?: string;
};

export type ErrorOptions = { retryable?: boolean; cause?: unknown; ids?: ErrorIds; field?: string };

/**
 * The one error class of Belfry.
 *
 * `code` is stable and meant for programs (`error-codes.ts`); the message is meant for people and says what to do. `retryable` tells
 * whether the same call may succeed later without anybody changing anything. `field` names the offending input.
 */
export class BelfryError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly ids: ErrorIds;
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BelfryError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.ids = options.ids ?? {};
    this.field = options.field;
  }
}

/** Whether a store refused the data itself: tried again it is refused again. */
export function isBadData(thrown: unknown): boolean {
  return thrown instanceof BelfryError && thrown.code === 'bad_data';
}

/** The text of anything that was thrown: errors, strings, objects, undefined. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message;
  if (typeof thrown === 'string') return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return String(thrown);
  }
}
