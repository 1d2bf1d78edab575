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
  /** Services that bring SQL files up to this number, or more, may work here. */
  oldestServices: number;
  /** A random UUID of this deployment; marks the topics as its own. */
  deploymentId: string;
};

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';
const DEADLOCK = '40P01';
const MIGRATION_TIMEOUT_MS = 300_000;
/** Services go on while a migration changes their tables, so the two may wait for each other. */
const DEADLOCK_TRIES = 5;

/**
 * Services of the release whose last file has this number start only where `migrations` holds nothing newer. They do run on a
 * newer schema, so files beyond it are remembered in a table of their own. A migration that must keep them from starting
 * writes its number into `migrations`, too.
 */
const LAST_IN_MIGRATIONS = 21;

/**
 * PostgreSQL lets everybody execute a new function. Roles that services work as, which are those that may write the tables, keep
 * what they had; others need a grant, as for `enqueue`.
 */
const CLOSE_FUNCTIONS = `DO $$
DECLARE
  own oid[] := ARRAY(SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND pg_has_role(proowner, 'USAGE'));
  routine regprocedure;
  service_role name;
BEGIN
  FOR routine IN
    SELECT oid FROM pg_proc
    WHERE oid = ANY (own) AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)
  LOOP
    EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
  END LOOP;
  FOR routine, service_role IN
    SELECT p.oid, r.rolname FROM pg_proc p, pg_roles r
    WHERE p.oid = ANY (own) AND NOT has_function_privilege(r.oid, p.oid, 'EXECUTE')
      AND r.oid IN (SELECT a.grantee FROM pg_class c, aclexplode(c.relacl) AS a
                    WHERE c.oid = 'jobs'::regclass AND a.privilege_type = 'INSERT')
  LOOP
    EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', routine, service_role);
  END LOOP;
END $$`;

const META_FIELDS = `partitions, encoding, topic_prefix AS "topicPrefix", deployment_id AS "deploymentId"`;
const READ_META = {
  name: 'read_meta',
  text: `SELECT ${META_FIELDS}, oldest_services AS "oldestServices",
           greatest((SELECT max(version) FROM migrations), (SELECT max(version) FROM later_migrations)) AS "schemaVersion"
         FROM meta`,
};
/** As the release before wrote it. */
const READ_FORMER_META = {
  name: 'read_former_meta',
  text: `SELECT ${META_FIELDS}, 0 AS "oldestServices", (SELECT max(version) FROM migrations) AS "schemaVersion" FROM meta`,
};

/**
 * Applies the files of schemas/sql that are not applied yet, in order, and makes a row of `owners` per partition.
 * Idempotent, safe when run twice at once.
 *
 * @throws BelfryError `config_mismatch` when `options` differ from those of the first migration
 */
export async function migrateDatabase(pool: Pg, options: MigrationOptions): Promise<Meta> {
  for (let tries = 1; ; tries++) {
    try {
      return await migrateOnce(pool, options);
    } catch (error) {
      if (sqlState(error) !== DEADLOCK || tries === DEADLOCK_TRIES) throw classify(error);
    }
  }
}

async function migrateOnce(pool: Pg, options: MigrationOptions): Promise<Meta> {
  const client = await pool.connect();
  let failed = true;
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL statement_timeout = ${MIGRATION_TIMEOUT_MS}`);
    await patiently(client, `SELECT pg_advisory_xact_lock(hashtextextended('belfry migrate ${pool.schema}', 0))`);
    await applyFiles(client, pool.schema);
    await client.query(CLOSE_FUNCTIONS);
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
  } finally {
    client.release(failed); // destroying the connection rolls back
  }
}

/** What the first migration fixed; undefined when the database was never migrated. */
export async function readMeta(pool: Pg): Promise<Meta | undefined> {
  for (const query of [READ_META, READ_FORMER_META]) {
    try {
      return (await pool.query<Meta>(query))[0];
    } catch (error) {
      if (![UNDEFINED_TABLE, UNDEFINED_COLUMN].includes(sqlState(error) ?? '')) throw error;
    }
  }
  return undefined;
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
  for (const table of ['migrations', 'later_migrations']) {
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${table} (version int PRIMARY KEY, file text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
  }
  const applied = await client.query<{ version: number }>(
    'SELECT version FROM migrations UNION SELECT version FROM later_migrations',
  );
  const versions = new Set(applied.rows.map((row) => row.version));
  for (const { version, file, path } of await shippedFiles()) {
    if (versions.has(version)) continue;
    await patiently(client, await readFile(path, 'utf8'));
    const table = version <= LAST_IN_MIGRATIONS ? 'migrations' : 'later_migrations';
    await client.query(`INSERT INTO ${table} (version, file) VALUES ($1, $2)`, [version, file]);
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
    'config_invalid',
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
