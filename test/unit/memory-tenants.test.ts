import { SystemClock } from '../../services/adapters/clock.ts';
import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryRunStore } from '../../services/adapters/memory/run-store.ts';
import { MemoryTenants } from '../../services/adapters/memory/tenants.ts';
import type { Job } from '../../services/core/model.ts';
import { tenantsConformance } from '../conformance/tenants.ts';

tenantsConformance('memory', async () => {
  const db = new MemoryDatabase({ partitions: 1, now: () => Date.now() });
  return {
    tenants: new MemoryTenants(db),
    runs: new MemoryRunStore(db, new SystemClock()),
    addJob: async (tenant, state) => void db.jobs.set(`${tenant}/${db.jobs.size}`, { tenant, state } as Job),
    age: async (runId, ms) => {
      const run = db.runs.get(runId)!;
      run.finishedAt! -= ms;
    },
  };
});
