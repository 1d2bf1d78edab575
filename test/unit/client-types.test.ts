/** Checked by the compiler: a case that should be refused and is not, is an unused @ts-expect-error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { BelfryClient } from '../../services/client/client.ts';
import type { PayloadOf, TypedJob } from '../../services/client/types.ts';
import { defineHandlers } from '../../services/executor/handlers/define.ts';
import type { HandlerContext } from '../../services/executor/handlers/handler.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(answer: Same<A, B>): void => assert.equal(answer, true);

const handlers = defineHandlers({
  'send-invoice': {
    payload: z.object({ invoice: z.number(), sentAt: z.string().transform((text) => new Date(text)) }),
    timeout: '30s',
    concurrency: 3,
    run(ctx) {
      const { payload } = ctx;
      same<typeof payload, { invoice: number; sentAt: Date }>(true);
      return payload.sentAt.getTime() + payload.invoice;
    },
  },
  'with-defaults': { payload: z.object({ copies: z.number().default(1) }), run: (ctx) => ctx.payload.copies },
  unchecked: {
    run({ payload }) {
      same<typeof payload, unknown>(true);
      return payload;
    },
  },
  plain: (ctx) => ctx.runId,
  'plain-with-payload': (ctx: HandlerContext<{ to: string }>) => ctx.payload.to,
});
type Job = TypedJob<typeof handlers>;

const CUSTOM = { type: 'CUSTOM', schedule: { in: '3s' } } as const;
const invoice = { invoice: 3, sentAt: '2026-01-01' };

void test('handlers keep their names', () => {
  assert.deepEqual(Object.keys(handlers), [
    'send-invoice',
    'with-defaults',
    'unchecked',
    'plain',
    'plain-with-payload',
  ]);
});

void test('a job of a known handler takes the payload that its schema takes', () => {
  same<PayloadOf<(typeof handlers)['send-invoice']>, { invoice: number; sentAt: string }>(true);
  const jobs: Job[] = [
    { ...CUSTOM, handler: 'send-invoice', payload: invoice },
    {
      ...CUSTOM,
      handler: 'send-invoice',
      payload: invoice,
      priority: 'high',
      retry: { maxRetries: 1 },
      labels: { a: 'b' },
    },
    { ...CUSTOM, handler: 'with-defaults', payload: {} },
    { ...CUSTOM, handler: 'unchecked', payload: { any: 'thing' } },
    { ...CUSTOM, handler: 'plain', payload: null },
  ];
  assert.equal(jobs.length, 5);
});

void test('jobs of the built-in types need no handler', () => {
  const jobs: Job[] = [
    {
      type: 'HTTP_REQUEST',
      payload: { url: 'https://example.com' },
      schedule: { cron: '0 9 * * *', timezone: 'Europe/Paris' },
    },
    { type: 'KAFKA_MESSAGE', payload: { topic: 'orders', value: { a: 1 } }, schedule: { every: '5m' } },
  ];
  assert.equal(jobs.length, 2);
});

void test('wrong names, payloads and fields are refused by the compiler', () => {
  // @ts-expect-error no such handler
  const unknownHandler: Job = { ...CUSTOM, handler: 'send-invoices', payload: invoice };
  // @ts-expect-error invoice is a number
  const wrongPayload: Job = { ...CUSTOM, handler: 'send-invoice', payload: { ...invoice, invoice: 'x' } };
  // @ts-expect-error sentAt is missing
  const halfPayload: Job = { ...CUSTOM, handler: 'send-invoice', payload: { invoice: 3 } };
  // @ts-expect-error the payload is missing
  const noPayload: Job = { ...CUSTOM, handler: 'send-invoice' };
  // @ts-expect-error no such type
  const unknownType: Job = { ...CUSTOM, type: 'EMAIL', handler: 'plain', payload: {} };
  // @ts-expect-error no such field
  const unknownField: Job = { ...CUSTOM, handler: 'plain', payload: {}, timeot: '5s' };
  // @ts-expect-error a job has a schedule
  const noSchedule: Job = { type: 'CUSTOM', handler: 'plain', payload: {} };
  // @ts-expect-error an HTTP request has a URL
  const noUrl: Job = { type: 'HTTP_REQUEST', payload: {}, schedule: { in: '3s' } };
  assert.ok([unknownHandler, wrongPayload, halfPayload, noPayload, unknownType, unknownField, noSchedule, noUrl]);
});

void test('a client without handlers takes any name and payload', () => {
  const job: TypedJob<Record<string, () => unknown>> = { ...CUSTOM, handler: 'whatever', payload: 5 };
  assert.ok(job);
});

void test('the methods of a typed client take typed jobs', () => {
  const calls = (client: BelfryClient<typeof handlers>) => [
    client.schedule('a', { ...CUSTOM, handler: 'plain', payload: {} }),
    client.scheduleMany([{ jobId: 'b', job: { ...CUSTOM, handler: 'with-defaults', payload: { copies: 2 } } }]),
    // @ts-expect-error no such handler
    client.schedule('c', { ...CUSTOM, handler: 'nope', payload: {} }),
  ];
  assert.equal(typeof calls, 'function');
});

void test('wrong definitions of handlers are refused by the compiler', () => {
  const wrong = () =>
    defineHandlers({
      // @ts-expect-error no such field
      a: { timeot: '5s', run: () => 1 },
      // @ts-expect-error a definition has a run
      b: { timeout: '5s' },
      // @ts-expect-error durations are text
      c: { timeout: 5_000, run: () => 1 },
      d: {
        payload: z.object({ n: z.number() }),
        run(ctx) {
          // @ts-expect-error n is a number
          const text: string = ctx.payload.n;
          return text;
        },
      },
    });
  assert.equal(typeof wrong, 'function');
});
