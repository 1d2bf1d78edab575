import { MemoryAudit } from '../../services/adapters/memory/audit.ts';
import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryRejections } from '../../services/adapters/memory/rejections.ts';
import { MemoryTimerStore } from '../../services/adapters/memory/timer-store.ts';
import { PARTITIONS, timerStoreConformance } from '../conformance/timer-store.ts';

timerStoreConformance('the memory database', () => {
  const db = new MemoryDatabase({ partitions: PARTITIONS, now: Date.now });
  const store = new MemoryTimerStore(db);
  const audit = new MemoryAudit(db);
  return Promise.resolve({
    store,
    audit,
    rejections: new MemoryRejections(db),
    systemJobs: async () => [...db.systemJobs.values()],
    enqueue: async (command) => db.enqueue(command),
    close: () => Promise.resolve(),
  });
});
