/** A schema of a test's own in the database that all share. */
import { randomUUID } from 'node:crypto';
import { after, before } from 'node:test';
import { migrateDatabase } from '../../../services/adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../../../services/adapters/postgres/pool.ts';
import { SILENT } from './deployment.ts';

const databaseUrl = process.env.DATABASE_URL || undefined;
/** Why tests that need the database are passed over; undefined: they are not. */
export const WITHOUT_DATABASE =
  databaseUrl === undefined ? 'needs DATABASE_URL: run it by infra/embedded/run-with-stack.ts' : undefined;

type SchemaOptions = { /** Connections. */ max?: number; partitions?: number };

/** Makes a schema, migrated. @returns a pool on it */
export async function openSchema(name: string, { max = 2, partitions = 1 }: SchemaOptions = {}): Promise<Pg> {
  const schema = `${name}_${randomUUID().slice(0, 8)}`;
  await using opened = new AsyncDisposableStack();
  const pg = openPool({ databaseUrl: databaseUrl!, schema, max, applicationName: 'test', log: SILENT });
  opened.defer(() => pg.close());
  await migrateDatabase(pg, { partitions, encoding: 'json', topicPrefix: '' });
  opened.move();
  return pg;
}

export async function dropSchema(pg: Pg): Promise<void> {
  await pg.query({ name: 'drop', text: `DROP SCHEMA ${pg.schema} CASCADE` });
  await pg.close();
}

/**
 * Makes a schema before the tests of the suite that calls this, and drops it after them.
 * @returns the pool, for use in tests
 */
export function useSchema(name: string, options?: SchemaOptions): () => Pg {
  let pg: Pg;
  before(async () => {
    pg = await openSchema(name, options);
  });
  after(() => dropSchema(pg));
  return () => pg;
}
