import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { History, KnownWebhook } from '../../checker/history.ts';
import { broken, call, kept, run, T0, told } from './histories.ts';

const JOB = 'acme/belfry.webhook.hook';
const HOOK: KnownWebhook = { tenant: 'acme', id: 'hook', from: T0, until: null, statuses: ['COMPLETED'], jobs: [] };

/** Three outcomes, and deliveries of these of them. */
function delivered(causes: readonly string[], webhook: Partial<KnownWebhook> = {}): History {
  const base = kept();
  const rows = causes.map((_, index) => run(`delivery-${index}`, 31_000, { job: JOB }));
  const events = rows.map((row, index) => told(row, { trigger: 'event', cause: causes[index]! }));
  const calls = rows.map(({ runId, scheduledFor }) => call(runId, 31_000, { job: JOB, scheduledFor }));
  return {
    ...base,
    runs: [...base.runs, ...rows],
    events: [...base.events, ...events],
    calls: [...base.calls, ...calls],
    webhooks: [{ ...HOOK, ...webhook }],
  };
}
const ALL = ['run-1:COMPLETED', 'run-2:COMPLETED', 'run-3:COMPLETED'];

describe('the checker, I13, webhooks', () => {
  it('asks for one delivery of each outcome, and for none of deliveries', () => {
    assert.deepEqual(broken(delivered(ALL)), []);
    assert.deepEqual(broken(delivered(ALL.slice(1))), ['I13']);
  });
  it('catches two deliveries of one outcome', () => {
    assert.ok(broken(delivered([...ALL, ALL[1]!])).includes('I13'));
  });
  it('catches a delivery of what the webhook does not hear of', () => {
    assert.deepEqual(broken(delivered([...ALL, 'delivery-0:COMPLETED'])), ['I13']);
    assert.deepEqual(broken(delivered(ALL, { statuses: ['FAILED'] })), ['I13']);
    assert.deepEqual(broken(delivered(ALL, { jobs: ['another'] })), ['I13']);
  });
  it('leaves open what came before the webhook was surely known', () => {
    const from = T0 + 8_000;
    assert.deepEqual(broken(delivered(ALL, { from })), []);
    assert.deepEqual(broken(delivered(ALL.slice(1), { from })), []);
    assert.deepEqual(broken(delivered(ALL.slice(2), { from })), ['I13']);
  });
  it('catches a delivery of what came after the webhook was surely known to be removed', () => {
    assert.deepEqual(broken(delivered(ALL.slice(0, 2), { until: T0 + 20_000 })), []);
    assert.deepEqual(broken(delivered([], { until: T0 + 20_000 })), []);
    assert.deepEqual(broken(delivered(ALL, { until: T0 + 20_000 })), ['I13']);
  });
  it('catches a delivery that never arrived, and one whose signature is not that of its webhook', () => {
    const received = ALL.map((id) => ({ webhook: 'hook', id, isGenuine: true }));
    assert.deepEqual(broken({ ...delivered(ALL), received: [...received, received[0]!] }), []);
    assert.deepEqual(broken({ ...delivered(ALL), received: received.slice(1) }), ['I13']);
    const forged = received.map((each, index) => (index === 0 ? { ...each, isGenuine: false } : each));
    assert.ok(broken({ ...delivered(ALL), received: forged }).includes('I13'));
  });
});
