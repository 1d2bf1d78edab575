import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import { SystemClock } from '../../services/adapters/clock.ts';
import { PostgresRunStore } from '../../services/adapters/postgres/run-store.ts';
import { PostgresTenants } from '../../services/adapters/postgres/tenants.ts';
import { tenantsConformance } from '../conformance/tenants.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

const JOB = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
                               active, buffered, recent_commands, created_at, updated_at)
             VALUES ($1, $2, 0, $3, 1, '{}', 0, 0, 0, false, '[]', '[]', '[]', 0, 0)`;

void describe('on PostgreSQL', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('tenants');

  tenantsConformance('PostgreSQL', async () => {
    await pg().query({ name: 'empty', text: 'TRUNCATE tenants' });
    return {
      tenants: new PostgresTenants(pg()),
      runs: new PostgresRunStore(pg(), new SystemClock()),
      addJob: async (tenant, state) =>
        void (await pg().query({ name: 'job', text: JOB }, [tenant, randomUUID(), state])),
      age: async (runId, ms) => {
        const text = 'UPDATE runs SET finished_at = finished_at - $2::bigint WHERE run_id = $1';
        await pg().query({ name: 'age', text }, [runId, ms]);
      },
    };
  });
});
