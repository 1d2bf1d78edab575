/** Which topics this deployment made, and the lock under which migrations make them. */
import type pg from 'pg';
import { classify } from './classify.ts';
import type { Pg } from './pool.ts';

const LONGEST_MIGRATION_MS = 300_000;

const OWN = { name: 'own_topics', text: 'SELECT name FROM topics ORDER BY name' };
const REMEMBER = {
  name: 'remember_topics',
  text: 'INSERT INTO topics (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING',
};

export async function ownTopics(pg: Pg): Promise<string[]> {
  return (await pg.query<{ name: string }>(OWN)).map(({ name }) => name);
}

export async function rememberTopics(pg: Pg, names: readonly string[]): Promise<void> {
  await pg.query(REMEMBER, [names]);
}

/**
 * Does the work while no other migration of this schema, on any machine, does its own. The lock is a transaction's, so that a
 * connection pooler in between keeps it, and so that a process that dies lets go of it.
 */
export async function underMigrationLock<T>(pg: Pg, work: () => Promise<T>): Promise<T> {
  const client = await pg.connect();
  try {
    await lock(client, pg.schema);
    return await work();
  } finally {
    client.release(true); // ends the transaction, and the lock with it
  }
}

async function lock(client: pg.PoolClient, schema: string): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL statement_timeout = ${LONGEST_MIGRATION_MS}`);
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    const text = `SELECT pg_advisory_xact_lock(hashtextextended('belfry migrate all ${schema}', 0))`;
    await client.query({ text, query_timeout: LONGEST_MIGRATION_MS } as pg.QueryConfig);
  } catch (error) {
    throw classify(error);
  }
}
