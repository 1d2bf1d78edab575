import { BelfryError, messageOf } from '../../core/errors.ts';

/**
 * SQLSTATEs after which the same call may succeed later: connection lost, server starting, stopping or out of resources,
 * a standby instead of the primary (25006), deadlock and serialization failure, a lock or statement that took too long.
 */
const UNAVAILABLE = /^(08|53|57P0|58)|^(25006|25P03|40001|40003|40P01|55P03|57014)$/;

/** The server refused the data itself, or as much of them (54: what an index, a row or a statement can hold): trying again changes nothing. */
const BAD_DATA = /^(2[23]|54)/;

/** What node-postgres and its pool say, without any code, of a connection that is lost or slow. */
const LOST_CONNECTION =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Connection ended unexpectedly|Client was closed|the connection is closed/i;

/**
 * A total classifier for whatever the PostgreSQL driver throws.
 *
 * @returns `bad_data` (not retryable; the data was refused and the statement changed nothing), `store_unavailable`
 *   (retryable; whether a write took effect is unknown) or `store_error` (a wrong configuration or a bug); a BelfryError
 *   is answered as it is.
 */
export function classify(error: unknown): BelfryError {
  if (error instanceof BelfryError) return error;
  const code = sqlState(error);
  if (code !== undefined && BAD_DATA.test(code)) {
    return new BelfryError('bad_data', `PostgreSQL refused the data (${code}): ${messageOf(error)}`, { cause: error });
  }
  if ((error as { code?: unknown } | null)?.code === 'ERR_OUT_OF_RANGE') {
    return new BelfryError('bad_data', `A number does not fit its column: ${messageOf(error)}`, { cause: error });
  }
  if (code === undefined ? isLostConnection(error) : UNAVAILABLE.test(code)) {
    return new BelfryError('store_unavailable', `PostgreSQL is not available: ${messageOf(error)}`, {
      cause: error,
      retryable: true,
    });
  }
  return new BelfryError('store_error', `PostgreSQL refused a statement: ${messageOf(error)}`, { cause: error });
}

/** The SQLSTATE of an error that the server sent, also below a BelfryError; undefined for every other error. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof BelfryError) return sqlState(error.cause);
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Errors of sockets and name look-ups carry the name of the system call (several addresses: an AggregateError of them). */
function isLostConnection(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isLostConnection);
  const { syscall } = (error ?? {}) as { syscall?: unknown };
  return typeof syscall === 'string' || LOST_CONNECTION.test(messageOf(error));
}
