import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDue } from '../../services/core/internal/due.ts';
import { outcomeProblem, readOutcomeHead } from '../../services/core/internal/outcome.ts';
import { outcomeOf } from '../../services/core/events.ts';
import type { ConsumedRecord, DueRecord, Outcome } from '../../services/core/records.ts';
import { parseInternal } from '../../services/core/spec/parse-internal.ts';
import { dueRecord } from '../support/due.ts';

const DUE = dueRecord({ jobId: 'invoice-42', scheduledFor: 1_790_000_000_000 });
const FAILURE = {
  ...{ attempt: 1, startedAt: 1_790_000_000_000, finishedAt: 1_790_000_000_500, worker: 'host:1' },
  error: { code: 'handler_error', message: 'no' },
};

/** The record with one field changed, as it would stand on the topic; `undefined` leaves the field out. */
const bytesWith = (changes: Record<string, unknown>): Buffer => Buffer.from(JSON.stringify({ ...DUE, ...changes }));

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

/** Each is one way to break the code behind: integers and times of PostgreSQL and Date, U+0000, sizes of index entries, the stack. */
const POISON: Record<string, Record<string, unknown>> = {
  'an attempt beyond an int': { attempt: 2 ** 31 },
  'an attempt that has no next one': { attempt: 2 ** 31 - 1 },
  'attempt zero': { attempt: 0 },
  'a version beyond an int': { jobVersion: 2 ** 31 },
  'a cancel generation beyond an int': { cancelGen: 1e10 },
  'a negative cancel generation': { cancelGen: -1 },
  'a fraction of an attempt': { attempt: 1.5 },
  'U+0000 in the handler': { handler: 'wo\u0000rk' },
  'half a character in the handler': { handler: 'wo\ud800rk' },
  'U+0000 in the tenant': { tenant: 'ac\u0000me' },
  'U+0000 in the job': { jobId: 'x\u0000' },
  'U+0000 in the cause': { cause: '\u0000' },
  'U+0000 in a label': { labels: { a: '\u0000' } },
  'U+0000 in the name of a label': { labels: { '\u0000': 'a' } },
  'a label that is no text': { labels: { a: 1 } },
  'labels that are a list': { labels: [] },
  'U+0000 in the type': { type: 'CUS\u0000TOM' },
  'a type that is no text': { type: 7 },
  'a handler longer than an index entry': { handler: 'x'.repeat(3_000) },
  'a queue that is no name': { queue: '../x' },
  'a run id that is none': { runId: 'x' },
  'an idempotency key that is none': { idempotencyKey: 'x' },
  'a replayed run that is none': { replayOf: 'x' },
  'a scheduled time that no Date holds': { scheduledFor: 8.64e15 + 1 },
  'a due time that no Date holds': { dueAt: 9e15 },
  'a due time before timestamptz': { dueAt: -8.64e15 },
  'half a millisecond': { dueAt: 0.5 },
  'a timeout that is negative': { timeoutMs: -1 },
  'a timeout without end': { timeoutMs: 1e300 },
  'no retry policy': { retry: null },
  'a retry delay without end': { retry: { ...DUE.retry, initialDelayMs: 1e300 } },
  'a negative number of retries': { retry: { ...DUE.retry, maxRetries: -1 } },
  'jitter beyond one': { retry: { ...DUE.retry, jitter: 2 } },
  'a limit beyond an int': { concurrencyKey: { key: 'k', limit: 2 ** 31 } },
  'U+0000 in the key of a limit': { concurrencyKey: { key: '\u0000', limit: 1 } },
  'failures that are no list': { failures: {} },
  'a failure at a time that no Date holds': { failures: [{ ...FAILURE, startedAt: 9e15 }] },
  'a failure without an error': { failures: [{ ...FAILURE, error: undefined }] },
  'an upstream that is no run': { upstream: [{ jobId: 'x' }] },
  'an event that is no object': { event: 'x' },
  'a payload deeper than the stack': { payload: nested(2_000) },
  'a field deeper than the stack that nobody knows': { news: nested(2_000) },
};

void describe('a due record', () => {
  void it('is what a timer wrote', () => {
    const read = readDue(bytesWith({ failures: [FAILURE], concurrencyKey: { key: 'k', limit: 1 } }));
    assert.ok('due' in read);
    assert.deepEqual(read.due, { ...DUE, failures: [FAILURE], concurrencyKey: { key: 'k', limit: 1 } });
  });

  for (const [what, changes] of Object.entries(POISON)) {
    void it(`with ${what} is garbage, and its field is named`, () => {
      const read = readDue(bytesWith(changes));
      assert.ok('rejection' in read, 'it passed');
      assert.equal(read.rejection.code, 'invalid');
      const [field] = Object.keys(changes) as [string];
      assert.match(read.rejection.message, field === 'payload' || field === 'news' ? /nested/ : new RegExp(field));
    });
  }

  void it('that is no JSON, no object or empty is unreadable', () => {
    for (const value of [null, Buffer.of(), Buffer.from('{'), Buffer.of(0, 0, 0, 0, 1)]) {
      const read = readDue(value);
      assert.equal('rejection' in read && read.rejection.code, 'unreadable');
    }
    for (const text of ['null', '[]', '7', '{}']) {
      const read = readDue(Buffer.from(text));
      assert.equal('rejection' in read && read.rejection.code, 'invalid');
    }
  });

  void it('with words and fields of a newer release is carried as it is', () => {
    const news = {
      ...{ type: 'DATABASE_QUERY', priority: 'urgent', trigger: 'signal', delivery: 'exactly_once' },
      ...{ region: 'eu', retry: { ...DUE.retry, budget: 7 } },
    };
    const read = readDue(bytesWith(news));
    assert.deepEqual('due' in read && read.due, { ...DUE, ...news });
  });
});

void describe('an outcome', () => {
  const head = (headers: Record<string, string>, key = 'acme/x'): ConsumedRecord => ({
    ...{ topic: 'job.completed', partition: 0, offset: 0n, timestampMs: 0, key: Buffer.from(key), value: null },
    headers: { belfry_tracked: '1', ce_subject: DUE.runId, ce_time: '2026-12-01T09:00:00.000Z', ...headers },
  });

  void it('tells its timer which run of which job has ended, and when', () => {
    assert.deepEqual(readOutcomeHead(head({ ce_source: '/belfry/executor' })), {
      ...{ tenant: 'acme', jobId: 'x', runId: DUE.runId, finishedAt: Date.UTC(2026, 11, 1, 9), isTimers: false },
    });
  });

  void it('is none when its key or a header is none', () => {
    const wrong = [
      head({}, 'ac\u0000me/x'),
      head({}, 'acme/\u0000'),
      head({}, 'nothing'),
      head({ ce_subject: 'x' }),
      head({ ce_time: 'Tue Dec  1 02:58:10 2026' }),
      head({ ce_time: '' }),
    ];
    for (const record of wrong) assert.ok('problem' in (readOutcomeHead(record) ?? {}), record.key?.toString());
  });

  void it('has a value whose times, ids and sizes every reader can bear', () => {
    const outcome: Outcome = outcomeOf(DUE, 'COMPLETED', 1_790_000_000_500, 'host:1');
    assert.equal(outcomeProblem(outcome), undefined);
    const wrong: Partial<Record<keyof Outcome, unknown>>[] = [
      ...[{ finishedAt: Number.NaN }, { scheduledFor: Number.NaN }, { startedAt: 9e15 }, { from: Number.NaN }],
      ...[{ runId: 'x' }, { eventId: '\u0000' }, { jobId: '' }, { labels: null }, { result: nested(2_000) }],
    ];
    for (const changes of wrong) {
      assert.match(outcomeProblem({ ...outcome, ...changes } as Outcome) ?? '', new RegExp(Object.keys(changes)[0]!));
    }
  });
});

void describe('an internal command', () => {
  const event = { name: 'user.signup', id: 'e1', payload: {} };
  const deliver = { type: 'deliver', tenant: 'acme', jobId: 'x', event, at: 1 };
  const fanOut = { ...deliver, type: 'fanOut', after: '', part: 1, matched: 0, commandId: 'c', ack: false };
  const notify = {
    ...{ type: 'notify', tenant: 'acme', jobId: 'belfry.webhook.w', commandId: 'c', body: {}, at: 1, ack: false },
  };

  void it('is rejected for what no store, calendar or stack can hold', () => {
    const wrong = [
      ...[deliver, fanOut, notify].map((command) => ({ ...command, at: 8.64e15 + 1 })),
      ...[deliver, fanOut, notify].map((command) => ({ ...command, tenant: 'ac\u0000me' })),
      { ...deliver, event: { ...event, id: '\u0000' } },
      { ...fanOut, part: 2 ** 31 },
      { ...fanOut, matched: 2 ** 53 - 1 },
      { ...notify, body: nested(2_000) },
    ];
    for (const command of wrong)
      assert.ok('rejection' in (parseInternal(command) ?? {}), JSON.stringify(command).slice(0, 90));
  });

  void it('keeps the fields of a newer release', () => {
    for (const command of [deliver, fanOut, notify]) {
      assert.deepEqual(parseInternal({ ...command, region: 'eu' }), { ...command, region: 'eu' });
    }
  });
});

/** A record that passes has every field that the code behind relies on. */
void describe('the validator of due records', () => {
  void it('refuses a record that lacks any field which is not optional', () => {
    const free: (keyof DueRecord)[] = ['payload', 'tracked', 'replayOf', 'traceparent'];
    for (const field of Object.keys(DUE) as (keyof DueRecord)[]) {
      const read = readDue(bytesWith({ [field]: undefined }));
      assert.equal('due' in read, free.includes(field), field);
    }
  });
});
