import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryTimerStore } from '../../services/adapters/memory/timer-store.ts';
import { PARTITIONS, timerStoreConformance } from '../conformance/timer-store.ts';

timerStoreConformance('the memory database', () => {
  const db = new MemoryDatabase({ partitions: PARTITIONS, now: Date.now });
  const store = new MemoryTimerStore(db);
  return Promise.resolve({ store, enqueue: async (command) => db.enqueue(command), close: () => Promise.resolve() });
});
