import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineHandlers, type Handlers } from '../../../services/executor/handlers/define.ts';
import type { Handler } from '../../../services/executor/handlers/handler.ts';
import { makeRegistry } from '../../../services/executor/handlers/registry.ts';
import type { StandardResult, StandardSchemaV1 } from '../../../services/executor/handlers/standard-schema.ts';
import { contextWith } from './support.ts';

const http: Handler = { run: () => 'http' };

const registryOf = (handlers: unknown) => makeRegistry(handlers as Handlers, { http });
function handlerOf(definition: unknown): Handler {
  const handler = registryOf({ mine: definition }).get('mine');
  assert.ok(handler);
  return handler;
}
const refuses = (definition: unknown, message: RegExp) =>
  assert.throws(() => handlerOf(definition), { name: 'BelfryError', code: 'handlers_invalid', field: 'mine', message });

/** Any validator, reduced to what the standard asks for. */
function schemaOf(
  validate: (value: unknown) => StandardResult<unknown> | Promise<StandardResult<unknown>>,
): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

void test('plain functions and definitions stand beside the handler of HTTP_REQUEST', async () => {
  const registry = registryOf({ plain: (ctx: { runId: string }) => ctx.runId, defined: { run: () => 2 } });
  assert.deepEqual([...registry.keys()], ['HTTP_REQUEST', 'plain', 'defined']);
  assert.equal(registry.get('HTTP_REQUEST'), http);
  assert.equal(registry.get('plain')?.run(contextWith({ runId: 'r' })), 'r');
  assert.equal('validate' in registry.get('plain')!, false);
});

void test('what defineHandlers made can be called in tests, and run with its own `this`', () => {
  const handlers = defineHandlers({ plain: (ctx) => ctx.jobId });
  assert.equal(handlers.plain.run(contextWith({ jobId: 'j' })), 'j');
  const self = {
    run(): unknown {
      return this;
    },
  };
  assert.equal(handlerOf(self).run(contextWith()), self);
});

void test('timeout and retry become milliseconds, and what they leave out stays out', () => {
  const handler = handlerOf({
    timeout: '1m30s',
    retry: { maxRetries: 1, initialDelay: '500ms' },
    concurrency: 3,
    run() {},
  });
  assert.equal(handler.timeoutMs, 90_000);
  assert.deepEqual(handler.retry, { maxRetries: 1, initialDelayMs: 500 });
  assert.equal(handler.concurrency, 3);
});

void test('what a definition leaves out stays out, so that the job decides', () => {
  assert.deepEqual(Object.keys(handlerOf({ run() {} })), ['run']);
});

void test('a payload is checked and converted by its schema', async () => {
  const handler = handlerOf({ payload: z.object({ invoice: z.coerce.number() }), run() {} });
  assert.deepEqual(await handler.validate?.({ invoice: '42' }), { ok: true, value: { invoice: 42 } });
});

void test('a payload that does not fit is refused with the path of every problem', async () => {
  const payload = z.object({ to: z.string(), items: z.array(z.object({ price: z.number() })) });
  const answer = await handlerOf({ payload, run() {} }).validate?.({ items: [{ price: 'x' }] });
  assert.ok(answer?.ok === false);
  assert.match(answer.message, /^payload\.to: .+; payload\.items\[0\]\.price: .+$/);
});

void test('schemas of any vendor work: asynchronous, as functions, with paths of objects, with many issues', async () => {
  const issues = [
    { message: 'bad', path: [{ key: 'a' }, 0] },
    ...Array.from({ length: 7 }, () => ({ message: 'worse' })),
  ];
  const async = handlerOf({ payload: schemaOf(() => Promise.resolve({ issues })), run() {} });
  const answer = await async.validate?.(1);
  assert.deepEqual(answer, {
    ok: false,
    message: 'payload.a[0]: bad; payload: worse; payload: worse; payload: worse; payload: worse; and 3 more',
  });
  const asFunction = Object.assign(
    () => undefined,
    schemaOf((value) => ({ value })),
  );
  assert.deepEqual(await handlerOf({ payload: asFunction, run() {} }).validate?.(7), { ok: true, value: 7 });
});

void test('names of job types are reserved', () => {
  for (const name of ['HTTP_REQUEST', 'KAFKA_MESSAGE'])
    assert.throws(() => registryOf({ [name]: () => 1 }), {
      code: 'handlers_invalid',
      message: new RegExp(`"${name}": this name is Belfry's own`),
    });
});

void test('a wrong definition is refused in words that help', () => {
  refuses({ run() {}, timeot: '5s' }, /^Handler "mine": timeot is not a field of a handler; did you mean timeout\?/);
  refuses({ run() {}, timeout: '5 minutes' }, /timeout must be a duration.*not "5 minutes"/);
  refuses({ run() {}, timeout: 5_000 }, /timeout must be a duration.*not 5000/);
  refuses({ run() {}, timeout: '8d' }, /timeout must be a duration.* at most 7d/);
  refuses({ run() {}, retry: { retries: 3 } }, /retry\.retries is not a field of retry/);
  refuses({ run() {}, retry: { initialDelay: 'soon' } }, /retry\.initialDelay must be a duration.*"soon"/);
  refuses({ run() {}, concurrency: 0 }, /concurrency must be a whole number from 1 up, not 0/);
  refuses({ run() {}, concurrency: '3' }, /concurrency must be a whole number/);
  refuses({ run() {}, payload: { invoice: 'number' } }, /payload must be a Standard Schema/);
  assert.throws(() => registryOf({ '': () => 1 }), {
    code: 'handlers_invalid',
    message: /its name must be text of 1 to 200/,
  });
});
