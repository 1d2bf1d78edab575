import { describe } from 'node:test';
import { PostgresIdempotencyKeys } from '../../services/adapters/postgres/idempotency-keys.ts';
import { idempotencyKeysConformance } from '../conformance/idempotency-keys.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

void describe('on PostgreSQL', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('idempotency');

  idempotencyKeysConformance('PostgreSQL', () => ({
    own: new PostgresIdempotencyKeys(pg()),
    others: new PostgresIdempotencyKeys(pg()),
  }));
});
