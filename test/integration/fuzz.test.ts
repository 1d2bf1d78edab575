/** A short fuzz of a real API and a real timer; `npm run test:fuzz` is the long one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../fuzz/fuzz.ts';

test(
  'no request and no record, however hostile, breaks a service, changes what it may not, or tells of others',
  { timeout: 200_000 },
  async () => {
    const seed = Date.now() % 2 ** 31;
    const { requests, records, byStatus, refused } = await fuzz({ seed, requests: 400, records: 400 }, console.log);
    assert.deepEqual([requests, records], [400, 400]);
    assert.ok(refused > 50 && refused < 390, `${refused} of the records were refused: both kinds are needed`);
    assert.ok((byStatus['2xx'] ?? 0) > 40, `few requests were valid: ${JSON.stringify(byStatus)}`);
  },
);
