/**
 * Makes and reads the schema. One transaction under an advisory lock: two migrations at once run one after the other,
 * and one that fails leaves nothing behind.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type pg from 'pg';

import { BelfryError } from '../../core/errors.ts';
import { packageFile } from '../package-file.ts';
import { classify, sqlState } from './classify.ts';
import type { Pg } from './pool.ts';

/** What is fixed at the first migration: stored data and topics depend on it. */
export type MigrationOptions = { partitions: number; encoding: 'json' | 'avro'; topicPrefix: string };
export type Meta = MigrationOptions & {
  /** Number of the last SQL file that was applied. */
  schemaVersion: number;
  /** A random UUID of this deployment; marks the topics as its own. */
  deploymentId: string;
};

const UNDEFINED_TABLE = '42P01';
const MIGRATION_TIMEOUT_MS = 300_000;

const READ_META = {
  name: 'read_meta',
  text: `SELECT partitions, encoding, topic_prefix AS "topicPrefix", deployment_id AS "deploymentId",
           (SELECT max(version) FROM migrations) AS "schemaVersion"
         FROM meta`,
};

/**
 * Applies the files of schemas/sql that are not applied yet, in order, and makes a row of `owners` per partition.
 * Idempotent, safe when run twice at once.
 *
 * @throws BelfryError `config_mismatch` when `options` differ from those of the first migration
 */
export async function migrateDatabase(pool: Pg, options: MigrationOptions): Promise<Meta> {
  const client = await pool.connect();
  let failed = true;
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL statement_timeout = ${MIGRATION_TIMEOUT_MS}`);
    await patiently(client, `SELECT pg_advisory_xact_lock(hashtextextended('belfry migrate ${pool.schema}', 0))`);
    await applyFiles(client, pool.schema);
    await client.query(
      'INSERT INTO meta (partitions, encoding, topic_prefix) VALUES ($1, $2, $3) ON CONFLICT (one) DO NOTHING',
      [options.partitions, options.encoding, options.topicPrefix],
    );
    const { rows } = await client.query<Meta>(READ_META.text);
    const meta = rows[0] as Meta;
    checkUnchanged(meta, options);
    await client.query(
      'INSERT INTO owners (partition) SELECT generate_series(0, $1::int - 1) ON CONFLICT (partition) DO NOTHING',
      [options.partitions],
    );
    await client.query('COMMIT');
    failed = false;
    return meta;
  } catch (error) {
    throw classify(error);
  } finally {
    client.release(failed); // destroying the connection rolls back
  }
}

/** What the first migration fixed; undefined when the database was never migrated. */
export async function readMeta(pool: Pg): Promise<Meta | undefined> {
  try {
    const rows = await pool.query<Meta>(READ_META);
    return rows[0];
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return undefined;
    throw error;
  }
}

/** Number of the last SQL file that this version of Belfry brings. */
export async function shippedSchemaVersion(): Promise<number> {
  return Math.max(...(await shippedFiles()).map(({ version }) => version));
}

async function applyFiles(client: pg.PoolClient, schema: string): Promise<void> {
  await refuseOtherEncodings(client);
  // CREATE SCHEMA IF NOT EXISTS wants the right to create one even where it exists.
  const exists = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
  if (exists.rowCount === 0) await client.query(`CREATE SCHEMA ${schema}`);
  await client.query(
    'CREATE TABLE IF NOT EXISTS migrations (version int PRIMARY KEY, file text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const applied = await client.query<{ version: number }>('SELECT version FROM migrations');
  const versions = new Set(applied.rows.map((row) => row.version));
  for (const { version, file, path } of await shippedFiles()) {
    if (versions.has(version)) continue;
    await patiently(client, await readFile(path, 'utf8'));
    await client.query('INSERT INTO migrations (version, file) VALUES ($1, $2)', [version, file]);
  }
}

async function shippedFiles(): Promise<{ version: number; file: string; path: string }[]> {
  const folder = packageFile('schemas/sql');
  const files = (await readdir(folder)).filter((name) => /^\d{3}-.*\.sql$/.test(name)).sort();
  return files.map((file) => ({ version: Number(file.slice(0, 3)), file, path: join(folder, file) }));
}

async function refuseOtherEncodings(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('SHOW server_encoding');
  const encoding = rows[0]?.server_encoding;
  if (encoding === 'UTF8') return;
  throw new BelfryError(
    'invalid_config',
    `The database's encoding is ${encoding}; Belfry needs a database made with ENCODING 'UTF8'.`,
  );
}

function checkUnchanged(meta: Meta, options: MigrationOptions): void {
  const settings = {
    partitions: 'BELFRY_PARTITIONS',
    encoding: 'the encoding',
    topicPrefix: 'BELFRY_TOPIC_PREFIX',
  } as const;
  for (const [key, label] of Object.entries(settings) as [keyof MigrationOptions, string][]) {
    if (meta[key] === options[key]) continue;
    throw new BelfryError(
      'config_mismatch',
      `This database was migrated with ${label} ${JSON.stringify(meta[key])}, which cannot change any more; ` +
        `now it is ${JSON.stringify(options[key])}. Use the former value, or another BELFRY_DB_SCHEMA for a deployment of its own.`,
      { field: key },
    );
  }
}

/** A statement that may wait for another migration, or take long on large tables. */
function patiently(client: pg.PoolClient, text: string): Promise<unknown> {
  return client.query({ text, query_timeout: MIGRATION_TIMEOUT_MS } as pg.QueryConfig);
}
