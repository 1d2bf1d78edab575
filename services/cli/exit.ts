/** Exit codes of the command line: a contract with scripts. */
import { BelfryError } from '../core/errors.ts';
import { REJECTION_CODES } from '../core/records.ts';

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

const NOT_FOUND: readonly string[] = ['not_found', 'unknown_job', 'unknown_run'];
const NO_ANSWER: readonly string[] = [
  'no_answer',
  'api_unavailable',
  'broker_unavailable',
  'broker_denied',
  'topic_missing',
  'store_unavailable',
  'registry_unavailable',
];
const USAGE: readonly string[] = [
  'usage',
  'config_invalid',
  'invalid_config',
  'config_mismatch',
  'webhook_key_missing',
];

/** The exit code of whatever was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  if (!(thrown instanceof BelfryError)) return EXIT.failed;
  if (NOT_FOUND.includes(thrown.code)) return EXIT.notFound;
  if (REJECTION_CODES.some((code) => code === thrown.code)) return EXIT.rejected;
  if (NO_ANSWER.includes(thrown.code)) return EXIT.noAnswer;
  return USAGE.includes(thrown.code) ? EXIT.usage : EXIT.failed;
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
