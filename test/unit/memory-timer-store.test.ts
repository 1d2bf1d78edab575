import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryTimerStore } from '../../services/adapters/memory/timer-store.ts';
import { PARTITIONS, timerStoreConformance } from '../conformance/timer-store.ts';

timerStoreConformance('the memory database', () => {
  const store = new MemoryTimerStore(new MemoryDatabase({ partitions: PARTITIONS, now: Date.now }));
  return Promise.resolve({ store, close: () => Promise.resolve() });
});
