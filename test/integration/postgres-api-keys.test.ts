import { describe } from 'node:test';
import { PostgresApiKeys } from '../../services/adapters/postgres/api-keys.ts';
import { apiKeysConformance } from '../conformance/api-keys.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

void describe('on PostgreSQL', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('keys');

  apiKeysConformance('PostgreSQL', async () => {
    await pg().query({ name: 'empty', text: 'TRUNCATE api_keys' });
    return new PostgresApiKeys(pg());
  });
});
