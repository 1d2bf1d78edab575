/**
 * Connections to PostgreSQL. Every session has the search path, the time limits and the number formats set here, so the
 * SQL elsewhere uses unqualified names and cannot hang.
 */
import pg from 'pg';

import { BelfryError } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import { unlessAborted } from '../../core/within.ts';
import { classify } from './classify.ts';

export type PgOptions = {
  databaseUrl: string;
  /** `BELFRY_DB_SCHEMA`: all tables and functions live there. */
  schema: string;
  /** Connections at the most. */
  max: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  log: Log;
  /** The server ends a statement after this time; 10 s unless given. Another one needs connections that nothing pools in between. */
  statementTimeoutMs?: number;
  /** The server ends a session that idles in a transaction, holding its locks; 3 s unless given. */
  idleInTransactionTimeoutMs?: number;
  /** How long a statement waits for a lock; 0, the default, is as long as the statement may run. */
  lockTimeoutMs?: number;
  /** Told of every statement by its name, and of every connection lent out for a transaction as `transaction`. */
  onStatement?: (name: string) => void;
};

/** A statement with a name of its own: planned once per connection. The same name always has the same text. */
export type Statement = { readonly name: string; readonly text: string };

export type Pg = {
  readonly schema: string;
  /**
   * Runs one statement on any connection.
   * @param signal gives it up at once: its connection is closed, and whether it was done is unknown
   * @returns its rows; int8 as number
   * @throws BelfryError as `classify` says; the signal's reason
   */
  query<Row extends pg.QueryResultRow>(
    statement: Statement,
    values?: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<Row[]>;
  /**
   * A connection of one's own, for transactions; its errors are those of node-postgres (`classify` them). Give it back
   * with `release()`, or `release(true)` when its state is unknown.
   */
  connect(): Promise<pg.PoolClient>;
  /** Waits for what is under way, then disconnects. */
  close(): Promise<void>;
};

const INT8 = 20;

/**
 * A plan is made once per connection, perhaps when the tables were empty, and kept while they grow to millions: so plans
 * must never read whole tables. Every statement of Belfry has its index. Compiling takes longer than any of them.
 */
const PLANNER = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

/** Run inside a transaction before its connection is lent to a user's code: the server's own search path and planner. */
export const LEND_SESSION = ['search_path', ...Object.keys(PLANNER)]
  .map((name) => `SET LOCAL ${name} TO DEFAULT;`)
  .join('');

const STATEMENT_TIMEOUT_MS = 10_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 3_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** The driver gives up this much after the server should have: then the server or the network is gone. */
const SILENCE_MARGIN_MS = 3_000;

/**
 * What every session must have, as SQL. A pooler that gives a server's connection to another client after each transaction has to set
 * it on each of these itself: PgBouncer's `connect_query`.
 * @param options as for `openPool`
 */
export function sessionSettings(
  options: Pick<PgOptions, 'schema' | 'statementTimeoutMs' | 'idleInTransactionTimeoutMs' | 'lockTimeoutMs'>,
): string {
  const settings = {
    search_path: options.schema,
    ...PLANNER,
    statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? IDLE_IN_TRANSACTION_TIMEOUT_MS,
    lock_timeout: options.lockTimeoutMs ?? 0,
  };
  return Object.entries(settings)
    .map(([name, value]) => `SET ${name} = ${value};`)
    .join(' ');
}

/**
 * Opens a pool; connects when first used. A lost idle connection is logged and replaced; retrying a failed call is the
 * caller's decision.
 *
 * @throws BelfryError `invalid_config` for a schema name that is not `[a-z_][a-z0-9_]*`, at most 63 characters
 */
export function openPool(options: PgOptions): Pg {
  const { databaseUrl, schema, max, applicationName, log, onStatement } = options;
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new BelfryError(
      'config_invalid',
      `BELFRY_DB_SCHEMA is "${schema}"; it must be 1 to 63 lower-case letters, digits and underscores, not beginning with a digit.`,
    );
  }
  const settings = sessionSettings(options);
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: (options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS) + SILENCE_MARGIN_MS,
    keepAlive: true,
    types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
    // Not as startup parameters: a connection pooler in between refuses those, and the URL could override them.
    onConnect: (client) => client.query(settings) as unknown as void,
  });
  // Without a listener the error of a connection that runs no statement would end the process, in the pool and lent out.
  pool.on('connect', (client) => client.on('error', (err) => log.warn({ err }, 'a connection to PostgreSQL was lost')));
  pool.on('error', () => undefined); // the same error again

  return {
    schema,
    query: async <Row extends pg.QueryResultRow>(
      statement: Statement,
      values: readonly unknown[] = [],
      signal?: AbortSignal,
    ) => {
      signal?.throwIfAborted();
      onStatement?.(statement.name);
      const query = { ...statement, values: [...values] };
      try {
        return (await (signal ? interruptible<Row>(pool, query, signal) : pool.query<Row>(query))).rows;
      } catch (error) {
        signal?.throwIfAborted();
        throw classify(error);
      }
    },
    connect: async () => {
      onStatement?.('transaction');
      try {
        return await pool.connect();
      } catch (error) {
        throw classify(error);
      }
    },
    close: () => pool.end(),
  };
}

function parserOf(oid: number, format?: 'text' | 'binary'): unknown {
  return oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format);
}

/** As `pool.query`, until the signal: then the connection goes, and the server is left to end what it does by itself. */
async function interruptible<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  query: pg.QueryConfig,
  signal: AbortSignal,
): Promise<pg.QueryResult<Row>> {
  const client = await pool.connect();
  try {
    signal.throwIfAborted();
    return await unlessAborted(client.query<Row>(query), signal);
  } finally {
    client.release(signal.aborted);
  }
}
