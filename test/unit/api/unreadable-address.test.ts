/** Found by the fuzz: what the framework refuses before any route was answered without the headers of every other answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../client/memory-api.ts';

test('an address that no route can take is refused as any request is, and not repeated in the answer', async (t) => {
  const api = await MemoryApi.start();
  t.after(() => api.close());
  for (const id of ['a'.repeat(5_000), '%c0%af']) {
    const response = await fetch(`${api.url}/api/jobs/${id}`, {
      headers: { authorization: `Bearer ${await api.key(['read'])}` },
    });
    const { type, detail } = (await response.json()) as { type: string; detail: string };
    assert.deepEqual([response.status, type], [400, 'urn:belfry:problem:unreadable']);
    assert.ok(!detail.includes(id) && detail.length < 200, detail);
    const headers = ['x-content-type-options', 'cache-control', 'content-type'].map((name) =>
      response.headers.get(name),
    );
    assert.deepEqual(headers, ['nosniff', 'no-store', 'application/problem+json; charset=utf-8']);
  }
});
