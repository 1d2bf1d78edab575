import { SystemClock } from '../../services/adapters/clock.ts';
import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryRunStore } from '../../services/adapters/memory/run-store.ts';
import type { Job } from '../../services/core/model.ts';
import { jobKey } from '../../services/core/topics.ts';
import { runStoreConformance } from '../conformance/run-store.ts';

runStoreConformance('memory', async () => {
  let passedMs = 0;
  const db = new MemoryDatabase({ partitions: 4, now: () => Date.now() + passedMs });
  return {
    store: new MemoryRunStore(db, new SystemClock()),
    pass: async (ms) => {
      passedMs += ms;
    },
    setCancelGeneration: async (tenant, jobId, cancelGen) => {
      db.jobs.set(jobKey(tenant, jobId), { tenant, jobId, cancelGen } as Job);
    },
    cancelRun: async (runId) => void db.cancelledRuns.set(runId, Date.now()),
    stored: async (runId) => {
      const { due, progress } = db.runs.get(runId) ?? { due: null, progress: null };
      return { due, progress };
    },
    enqueued: async () => db.enqueued.map(({ command }) => (JSON.parse(command) as { commandId: string }).commandId),
    close: async () => undefined,
  };
});
