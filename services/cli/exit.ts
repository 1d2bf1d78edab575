/** Exit codes of the command line: a contract with scripts. */
import { factsOf } from '../core/error-codes.ts';
import { BelfryError } from '../core/errors.ts';

export const EXIT = {
  ok: 0,
  /** A run failed, a check found a problem, or something broke. */
  failed: 1,
  /** Wrong arguments or a wrong configuration. */
  usage: 2,
  /** The command was refused. */
  rejected: 3,
  notFound: 4,
  /** No answer, or no outcome, in time; servers that are away. */
  noAnswer: 5,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The exit code of whatever was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  return thrown instanceof BelfryError ? factsOf(thrown.code).exit : EXIT.failed;
}

export function usageError(message: string): BelfryError {
  return new BelfryError('usage', message);
}

export function notFound(message: string): BelfryError {
  return new BelfryError('not_found', message);
}

export function noAnswer(message: string): BelfryError {
  return new BelfryError('no_answer', message, { retryable: true });
}
