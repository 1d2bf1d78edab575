import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { SystemClock } from '../../services/adapters/clock.ts';
import { migrateDatabase } from '../../services/adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../../services/adapters/postgres/pool.ts';
import { PostgresRunStore } from '../../services/adapters/postgres/run-store.ts';
import { PostgresTenants } from '../../services/adapters/postgres/tenants.ts';
import { tenantsConformance } from '../conformance/tenants.ts';
import { SILENT } from './support/deployment.ts';

const databaseUrl = process.env.DATABASE_URL || undefined;
const skip = databaseUrl === undefined ? 'needs DATABASE_URL: run it by infra/embedded/run-with-stack.ts' : undefined;

const JOB = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
                               active, buffered, recent_commands, created_at, updated_at)
             VALUES ($1, $2, 0, $3, 1, '{}', 0, 0, 0, false, '[]', '[]', '[]', 0, 0)`;

void describe('on PostgreSQL', { skip }, () => {
  let pg: Pg;
  before(async () => {
    const schema = `tenants_${randomUUID().slice(0, 8)}`;
    pg = openPool({ databaseUrl: databaseUrl as string, schema, max: 2, applicationName: 'test', log: SILENT });
    await migrateDatabase(pg, { partitions: 1, encoding: 'json', topicPrefix: '' });
  });
  after(async () => {
    await pg.query({ name: 'drop', text: `DROP SCHEMA ${pg.schema} CASCADE` });
    await pg.close();
  });

  tenantsConformance('PostgreSQL', async () => {
    await pg.query({ name: 'empty', text: 'TRUNCATE tenants' });
    return {
      tenants: new PostgresTenants(pg),
      runs: new PostgresRunStore(pg, new SystemClock()),
      addJob: async (tenant, state) => void (await pg.query({ name: 'job', text: JOB }, [tenant, randomUUID(), state])),
      age: async (runId, ms) => {
        const text = 'UPDATE runs SET finished_at = finished_at - $2::bigint WHERE run_id = $1';
        await pg.query({ name: 'age', text }, [runId, ms]);
      },
    };
  });
});
