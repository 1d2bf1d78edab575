import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOB_TYPES } from '../../../services/core/model.ts';
import { isContent, triggeredPayload } from '../../../services/core/spec/trigger-payload.ts';
import { applyCommand } from '../../../services/timer/apply-command.ts';
import { apply, command, context, schedule } from './deciding.ts';

const HTTP = { url: 'https://a.test', method: 'POST', headers: { authorization: { secret: 'token' } }, body: 1 };
const KAFKA = { topic: 'orders', key: 'k', value: 1 };
const on = { at: '2027-01-01T00:00:00Z' };
const http = apply(undefined, schedule(on, { type: 'HTTP_REQUEST', handler: undefined, payload: HTTP }));
const kafka = apply(undefined, schedule(on, { type: 'KAFKA_MESSAGE', handler: undefined, payload: KAFKA }));

const cases: [job: typeof http, payload: unknown, forRun: string, forWrite: string][] = [
  [http, { body: { n: 2 } }, 'applied', 'applied'],
  [http, {}, 'applied', 'applied'],
  [http, { ...HTTP, url: 'https://evil.test' }, 'not_permitted', 'applied'],
  [http, HTTP, 'not_permitted', 'applied'],
  [http, { body: 1, headers: {} }, 'not_permitted', 'invalid'],
  [http, null, 'not_permitted', 'invalid'],
  [http, ['body'], 'not_permitted', 'invalid'],
  [kafka, { value: 2 }, 'applied', 'applied'],
  [kafka, { valueBase64: 'AAAA' }, 'applied', 'applied'],
  [kafka, { value: 2, valueBase64: 'AAAA' }, 'invalid', 'invalid'],
  [kafka, { ...KAFKA, topic: 'other' }, 'not_permitted', 'applied'],
  [kafka, { value: 1, key: 'other' }, 'not_permitted', 'invalid'],
];
for (const [job, payload, forRun, forWrite] of cases) {
  void test(`a trigger with ${JSON.stringify(payload)} of a ${job.spec.type} is ${forRun} with run, ${forWrite} with write`, () => {
    for (const [isRunOnly, expected] of [
      [true, forRun],
      [false, forWrite],
    ] as const) {
      const applied = applyCommand(job, command({ type: 'trigger', payload }), context({ isRunOnly }));
      assert.equal(applied.outcome === 'rejected' ? applied.rejection.code : applied.outcome, expected);
    }
  });
}

void test('content goes into the payload of the job, and nothing of the former content stays', () => {
  assert.deepEqual(triggeredPayload({ type: 'HTTP_REQUEST', payload: HTTP }, { body: 2 }), { ...HTTP, body: 2 });
  assert.deepEqual(triggeredPayload({ type: 'KAFKA_MESSAGE', payload: KAFKA }, { valueBase64: 'AAAA' }), {
    topic: 'orders',
    key: 'k',
    valueBase64: 'AAAA',
  });
  assert.deepEqual(triggeredPayload({ type: 'CUSTOM', payload: { a: 1 } }, { b: 2 }), { b: 2 });
});

void test('no type of job but CUSTOM takes all that a run key brings', () => {
  for (const type of JOB_TYPES.filter((each) => each !== 'CUSTOM'))
    assert.equal(isContent(type, { url: 1, topic: 1 }), false);
});
