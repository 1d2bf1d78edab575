import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryWebhooks } from '../../services/adapters/memory/webhooks.ts';
import { webhooksConformance } from '../conformance/webhooks.ts';

webhooksConformance(
  'memory',
  async () => new MemoryWebhooks(new MemoryDatabase({ partitions: 1, now: () => Date.now() })),
);
