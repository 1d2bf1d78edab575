import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originAt, placeOf, rejectedRecordOf } from '../../services/core/rejected-record.ts';
import type { RejectionCode } from '../../services/core/records.ts';
import { headOf } from '../../services/core/spec/parse-command.ts';

function ownerOf(key: string | null, value: unknown, code: RejectionCode = 'invalid'): [string | null, string | null] {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const record = { topic: 'job.commands', partition: 3, offset: 17n, timestampMs: 0, headers: {} };
  const whole = { ...record, key: key === null ? null : Buffer.from(key), value: bytes };
  const head = typeof value === 'string' ? {} : headOf(value);
  const { tenant, jobId } = rejectedRecordOf(whole, { code, message: 'no' }, head, 1);
  return [tenant, jobId];
}

void test('a rejected record belongs to the tenant that its key and its value name', () => {
  assert.deepEqual(ownerOf('acme/j', { tenant: 'acme', jobId: 'j' }), ['acme', 'j']);
  assert.deepEqual(ownerOf(null, { tenant: 'acme', jobId: 'j' }), ['acme', 'j']);
  assert.deepEqual(ownerOf('acme/j', 'garbage'), ['acme', 'j']);
  assert.deepEqual(ownerOf(null, { jobId: 'j' }), ['default', 'j']);
});

void test('a rejected record that names two tenants, or none, is told to none', () => {
  assert.deepEqual(ownerOf('acme/j', { tenant: 'other', jobId: 'j' }), [null, null]);
  assert.deepEqual(ownerOf(null, 'garbage'), [null, null]);
  assert.deepEqual(ownerOf('\0 bad/j', 'garbage'), [null, null]);
});

void test('a wrong key says nothing of whose the record is', () => {
  assert.deepEqual(ownerOf('other/j', { tenant: 'acme', jobId: 'j' }, 'key_mismatch'), ['acme', 'j']);
});

void test('of a hostile record only the beginning is kept', () => {
  const record = { topic: 't', partition: 0, offset: 0n, timestampMs: 0, headers: {}, key: Buffer.alloc(9_999) };
  const value = Buffer.alloc(512 * 1024);
  const rejection = { code: 'invalid', message: '\0'.repeat(9_999) } as const;
  const { key, excerpt, message, size } = rejectedRecordOf({ ...record, value }, rejection, {}, 1);
  assert.deepEqual([key?.length, excerpt?.length, message.length, size], [512, 1_024, 1_024, value.length]);
  assert.ok(!message.includes('\0'));
});

void test('a place is read as it is written', () => {
  const commands = { topic: 'job.commands', partition: 3, offset: 17n };
  assert.equal(placeOf(commands, 'job.commands'), '3-17');
  for (const origin of [commands, { ...commands, topic: 'acme-job.due.high' }, { ...commands, topic: 'enqueued' }])
    assert.deepEqual(originAt(placeOf(origin, 'job.commands'), 'job.commands'), origin);
  for (const text of ['three', '3', '3-', 'a/b-1-2', '', '-1-2'])
    assert.equal(originAt(text, 'job.commands'), undefined);
});
