import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryAudit } from '../../services/adapters/memory/audit.ts';
import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryWebhooks } from '../../services/adapters/memory/webhooks.ts';
import { auditedWebhooks } from '../../services/core/audited.ts';
import { webhooksConformance } from '../conformance/webhooks.ts';

const database = (): MemoryDatabase => new MemoryDatabase({ partitions: 1, now: () => Date.now() });
const audited = (db: MemoryDatabase) =>
  auditedWebhooks(new MemoryWebhooks(db), new MemoryAudit(db), { kind: 'cli', id: null, name: 'ada@host' });

webhooksConformance('audited', async () => audited(database()));

test('changes of webhooks are told with their fields and never a secret; what changed nothing is not told', async () => {
  const db = database();
  const webhooks = audited(db);
  const fields = { url: 'https://a.example/', statuses: [], jobs: [], handlers: [], labels: {}, disabled: false };
  const created = { ...fields, tenant: 'acme', id: 'alerts', secret: 'sealed-1' };
  await webhooks.create(created, 20);
  await webhooks.create(created, 20);
  await webhooks.replace('acme', 'alerts', { ...fields, url: 'https://b.example/' });
  await webhooks.rotate('acme', 'alerts', 'sealed-2', 0);
  await webhooks.remove('acme', 'alerts');
  for (const id of ['alerts', 'other']) await webhooks.remove('acme', id);
  const told = await new MemoryAudit(db).list({ tenant: 'acme' }, 10);
  assert.deepEqual(
    told.map(({ action, actor, changes }) => [action, actor.name, changes.map(({ field }) => field).join()]),
    [
      ['webhook.remove', 'ada@host', 'url,statuses,jobs,handlers,labels,disabled,id'],
      ['webhook.rotate', 'ada@host', 'id'],
      ['webhook.set', 'ada@host', 'url,id'],
      ['webhook.create', 'ada@host', 'url,statuses,jobs,handlers,labels,disabled,id'],
    ],
  );
  assert.ok(!JSON.stringify(told).includes('sealed'));
});
