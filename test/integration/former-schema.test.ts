/** What services of the former release find on a schema that this one migrated: all that they were made for. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { migrateDatabase, readMeta } from '../../services/adapters/postgres/migrate.ts';
import { openPool } from '../../services/adapters/postgres/pool.ts';
import { FORMER_SCHEMA_VERSION, formerFile, formerFiles } from '../support/former-release.ts';
import { SILENT } from './support/deployment.ts';
import { WITHOUT_DATABASE } from './support/schema.ts';

type Column = { name: string; type: string; optional: boolean };
type Schema = { functions: Set<string>; columns: Map<string, Column>; constraints: Set<string> };

describe('the schema of the former release', { skip: WITHOUT_DATABASE ?? false }, () => {
  const schema = `former_${randomUUID().slice(0, 8)}`;
  let sql: pg.Client;
  let former: Schema;
  let now: Schema;

  before(async () => {
    sql = new pg.Client({ connectionString: process.env.DATABASE_URL!, options: `-c search_path=${schema}` });
    await sql.connect();
    await sql.query(`CREATE SCHEMA ${schema}`);
    await migrateAsFormer(sql);
    former = await schemaOf(sql, schema);
    const pool = openPool({
      databaseUrl: process.env.DATABASE_URL!,
      schema,
      max: 2,
      applicationName: 'test',
      log: SILENT,
    });
    await migrateDatabase(pool, { partitions: 1, encoding: 'json', topicPrefix: '' });
    assert.ok((await readMeta(pool))!.oldestServices <= FORMER_SCHEMA_VERSION, 'its services may start');
    await pool.close();
    now = await schemaOf(sql, schema);
  });
  after(async () => {
    await sql.query(`DROP SCHEMA ${schema} CASCADE`);
    await sql.end();
  });

  it('is told to its services as they knew it: they refuse to start on another version', async () => {
    const { rows } = await sql.query<{ version: number }>('SELECT max(version) AS version FROM migrations');
    assert.equal(rows[0]?.version, FORMER_SCHEMA_VERSION);
  });

  it('keeps each function that they call, with its arguments and result', () => {
    assert.ok(former.functions.size > 20);
    assert.deepEqual([...former.functions.difference(now.functions)], []);
  });

  it('keeps each column and its type, and what is new is not asked of those who do not know it', () => {
    for (const [name, { type }] of former.columns) assert.equal(now.columns.get(name)?.type, type, name);
    const tables = new Set([...former.columns.keys()].map(tableOf));
    const asked = [...now.columns].filter(
      ([name, { optional }]) => !former.columns.has(name) && tables.has(tableOf(name)) && !optional,
    );
    assert.deepEqual(asked, []);
  });

  it('gets no constraint that they do not know of', () => {
    const tables = new Set([...former.columns.keys()].map(tableOf));
    const added = [...now.constraints.difference(former.constraints)].filter((each) => tables.has(tableOf(each)));
    assert.deepEqual(added, []);
  });
});

/** As its `belfry migrate` does. */
async function migrateAsFormer(sql: pg.Client): Promise<void> {
  await sql.query(
    'CREATE TABLE migrations (version int PRIMARY KEY, file text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  for (const path of (await formerFiles('schemas/sql/')).toSorted()) {
    const file = path.slice(path.lastIndexOf('/') + 1);
    await sql.query(await formerFile(path));
    await sql.query('INSERT INTO migrations (version, file) VALUES ($1, $2)', [Number(file.slice(0, 3)), file]);
  }
  await sql.query(`INSERT INTO meta (partitions, encoding, topic_prefix) VALUES (1, 'json', '')`);
}

async function schemaOf(sql: pg.Client, schema: string): Promise<Schema> {
  const functions = await sql.query<{ text: string }>(
    `SELECT proname || '(' || pg_get_function_arguments(oid) || ') → ' || pg_get_function_result(oid) AS text
     FROM pg_proc WHERE pronamespace = $1::text::regnamespace`,
    [schema],
  );
  const columns = await sql.query<Column>(
    `SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
            NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '' AS optional
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped`,
    [schema],
  );
  const constraints = await sql.query<{ text: string }>(
    `SELECT t.relname || '.' || pg_get_constraintdef(c.oid) AS text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
     WHERE c.connamespace = $1::text::regnamespace AND c.contype <> 'n'
     UNION ALL
     SELECT t.relname || '.' || replace(pg_get_indexdef(i.indexrelid), $1::text, '') FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relnamespace = $1::text::regnamespace AND i.indisunique`,
    [schema],
  );
  return {
    functions: new Set(functions.rows.map(({ text }) => text)),
    columns: new Map(columns.rows.map((column) => [column.name, column])),
    constraints: new Set(constraints.rows.map(({ text }) => text)),
  };
}

function tableOf(name: string): string {
  return name.slice(0, name.indexOf('.'));
}
