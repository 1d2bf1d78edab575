import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { migrateDatabase } from '../../services/adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../../services/adapters/postgres/pool.ts';
import { PostgresWebhooks } from '../../services/adapters/postgres/webhooks.ts';
import { webhooksConformance } from '../conformance/webhooks.ts';
import { SILENT } from './support/deployment.ts';

const databaseUrl = process.env.DATABASE_URL || undefined;
const skip = databaseUrl === undefined ? 'needs DATABASE_URL: run it by infra/embedded/run-with-stack.ts' : undefined;

void describe('on PostgreSQL', { skip }, () => {
  let pg: Pg;
  before(async () => {
    const schema = `webhooks_${randomUUID().slice(0, 8)}`;
    pg = openPool({ databaseUrl: databaseUrl as string, schema, max: 2, applicationName: 'test', log: SILENT });
    await migrateDatabase(pg, { partitions: 1, encoding: 'json', topicPrefix: '' });
  });
  after(async () => {
    await pg.query({ name: 'drop', text: `DROP SCHEMA ${pg.schema} CASCADE` });
    await pg.close();
  });

  webhooksConformance('PostgreSQL', async () => new PostgresWebhooks(pg));
});
