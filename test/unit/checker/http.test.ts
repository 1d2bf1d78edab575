import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { broken, kept, T0 } from './histories.ts';

const ACKS = [
  { commandId: 'c-1', outcome: 'applied', text: '1' },
  { commandId: 'c-2', outcome: 'rejected', text: '2' },
];
const EVENTS = ['run-1:COMPLETED', 'run-2:COMPLETED', 'run-3:COMPLETED'];

describe('the checker, I15, the HTTP API', () => {
  it('lets pass what is so, and what nobody knows yet', () => {
    const requests = [
      { commandId: 'c-1', status: 200 },
      { commandId: 'c-2', status: 409 },
      { commandId: 'c-3', status: 202 },
    ];
    const streams = [{ tenant: 'acme', events: [...EVENTS, EVENTS[0]!] }];
    const listings = [
      { tenant: 'acme', at: T0, jobs: [] },
      { tenant: 'acme', at: T0 + 50, jobs: ['job'] },
      { tenant: 'globex', at: T0 + 50, jobs: [] },
    ];
    assert.deepEqual(broken(kept({ acks: ACKS, requests, streams, listings })), []);
  });
  it('catches an answer that its timer did not give', () => {
    for (const wrong of [
      { commandId: 'c-1', status: 409 },
      { commandId: 'c-2', status: 200 },
      { commandId: 'c-3', status: 201 },
    ])
      assert.deepEqual(broken(kept({ acks: ACKS, requests: [wrong] })), ['I15'], JSON.stringify(wrong));
  });
  it('catches a list without a job that was accepted before, and one with a job twice', () => {
    assert.deepEqual(broken(kept({ listings: [{ tenant: 'acme', at: T0 + 50, jobs: ['other'] }] })), ['I15']);
    assert.deepEqual(broken(kept({ listings: [{ tenant: 'acme', at: T0, jobs: ['job', 'job'] }] })), ['I15']);
  });
  it('catches a stream that misses an outcome', () => {
    assert.deepEqual(broken(kept({ streams: [{ tenant: 'acme', events: EVENTS.slice(1) }] })), ['I15']);
    assert.deepEqual(broken(kept({ streams: [{ tenant: 'globex', events: [] }] })), []);
  });
});
