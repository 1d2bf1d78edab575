import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTOR_HEADER, actorHeader, actorOf, digestOf, specChanges } from '../../services/core/audit.ts';
import { job } from './cli/support.ts';

test('a command says who sends it; what else stands there is told as it is', () => {
  const key = { kind: 'key', id: '0a1b2c3d4e5f', name: 'Ada’s "key"' } as const;
  assert.deepEqual(actorOf(actorHeader(key)[ACTOR_HEADER]), key);
  assert.deepEqual(actorOf(undefined), { kind: 'kafka', id: null, name: null });
  assert.deepEqual(actorOf('billing\u0000'), { kind: 'kafka', id: null, name: 'billing\ufffd' });
  for (const odd of ['{"kind":"root","id":null,"name":null}', 'null', '{"kind":"key"}'])
    assert.deepEqual(actorOf(odd), { kind: 'kafka', id: null, name: odd });
  assert.equal(actorOf('x'.repeat(500)).name?.length, 200);
});

test('changes name the fields, and payloads by size and hash alone', () => {
  const { spec } = job();
  const secret = { headers: { authorization: 'Bearer s3cret' } };
  const changes = specChanges(spec, {
    ...{ ...spec, payload: secret, labels: { team: 'x' } },
    ...{ timeoutMs: 1_000, explicit: ['timeout'] as const },
  });
  assert.deepEqual(changes.map(({ field }) => field).sort(), [
    'labels.team',
    'payload.bytes',
    'payload.sha256',
    'timeout',
  ]);
  assert.ok(!JSON.stringify(changes).includes('s3cret'));
  assert.deepEqual(specChanges(spec, spec), []);
  assert.ok(specChanges(undefined, spec).some(({ field, from }) => field === 'schedule' && from === undefined));
  assert.deepEqual(digestOf({ n: 1 }), {
    bytes: 7,
    sha256: '2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd',
  });
});
