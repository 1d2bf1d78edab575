import { describe } from 'node:test';
import { PostgresWebhooks } from '../../services/adapters/postgres/webhooks.ts';
import { webhooksConformance } from '../conformance/webhooks.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

void describe('on PostgreSQL', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('webhooks');

  webhooksConformance('PostgreSQL', async () => new PostgresWebhooks(pg()));
});
