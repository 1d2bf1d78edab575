/** Commands of other people's Avro writers, whose schemas and bytes may be anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import type { Registry } from '../../../services/adapters/codec/registry.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Rejection } from '../../../services/core/records.ts';
import { parseCommand } from '../../../services/core/spec/parse-command.ts';
import { avsc, framed, memoryRegistry, schemaOf, type AvroField } from './fixtures.ts';

const FOREIGN = 5;
const OPTIONS = { allowInlineSecrets: false, topicPrefix: '', allowTopics: null };

/** What becomes of this value, written with a schema of these fields. */
async function decode(fields: AvroField[], value: object) {
  const schema = { type: 'record', name: 'Theirs', fields };
  const bytes = framed(FOREIGN, avsc.Type.forSchema(schema).toBuffer(value));
  return await jsonCodec(memoryRegistry([schema])).decodeCommand(bytes);
}

async function rejectionOf(bytes: Buffer, registry: Registry | undefined = memoryRegistry()): Promise<Rejection> {
  const decoded = await jsonCodec(registry).decodeCommand(bytes);
  assert.ok('rejection' in decoded, JSON.stringify(decoded));
  return decoded.rejection;
}

const text = (name: string): AvroField => ({ name, type: 'string' });
const cancel = { type: 'cancel', commandId: 'c', jobId: 'j' };
const cancelFields = Object.keys(cancel).map(text);

void test('a writer may have a schema of its own with just the fields that it needs', async () => {
  const decoded = await decode(cancelFields, cancel);
  assert.deepEqual(decoded, { value: cancel });
  assert.equal('rejection' in parseCommand(cancel, OPTIONS), false);
});

void test('a field of the writer’s schema that ours lacks is refused by name', async () => {
  const decoded = await decode([...cancelFields, text('comment')], { ...cancel, comment: 'x' });
  assert.ok('value' in decoded);
  const refused = parseCommand(decoded.value, OPTIONS);
  assert.ok('rejection' in refused);
  assert.deepEqual([refused.rejection.code, refused.rejection.field], ['invalid', 'comment']);
});

void test('a payload that is no JSON text is refused by name, and not shown', async () => {
  const trigger = { ...cancel, type: 'trigger', payload: 'not { JSON' };
  assert.deepEqual(await decode([...cancelFields, text('payload')], trigger), {
    rejection: { code: 'invalid', message: 'payload must be JSON text in Avro', field: 'payload' },
  });
  const job = { type: { type: 'record', name: 'J', fields: [text('payload')] }, name: 'job' };
  assert.deepEqual(await decode([...cancelFields, job], { ...cancel, job: { payload: '{' } }), {
    rejection: { code: 'invalid', message: 'job.payload must be JSON text in Avro', field: 'job.payload' },
  });
});

void test('what is no record is left to the validator', async () => {
  const schema = 'string';
  const bytes = framed(FOREIGN, avsc.Type.forSchema(schema).toBuffer('hello' as unknown as object));
  assert.deepEqual(await jsonCodec(memoryRegistry([schema])).decodeCommand(bytes), { value: 'hello' });
});

void test('garbage behind the magic byte is unreadable, whatever it is', async () => {
  const ours = avsc.Type.forSchema(schemaOf('command')).toBuffer({ ...cancel });
  const cases: [string, Buffer, RegExp][] = [
    ['nothing', Buffer.from([0]), /too short/],
    ['half an id', Buffer.from([0, 0, 0]), /too short/],
    ['an unknown id', framed(99, ours), /schema 99, which the registry does not have/],
    ['a huge id', framed(0xffff_ffff, ours), /schema 4294967295/],
    ['no body', framed(1, Buffer.alloc(0)), /does not fit its schema 1/],
    ['a cut body', framed(1, ours.subarray(0, -3)), /does not fit its schema 1/],
    ['a body with a tail', framed(1, Buffer.concat([ours, ours])), /does not fit its schema 1/],
    ['text', framed(1, Buffer.from('{"type":"cancel"}')), /does not fit its schema 1/],
  ];
  for (const [what, bytes, message] of cases) {
    const rejection = await rejectionOf(bytes);
    assert.equal(rejection.code, 'unreadable', what);
    assert.match(rejection.message, message, what);
  }
});

void test('Avro without a registry is unreadable, with what to do', async () => {
  const decoded = await jsonCodec().decodeCommand(framed(1, Buffer.alloc(3)));
  assert.ok('rejection' in decoded);
  assert.equal(decoded.rejection.code, 'unreadable');
  assert.match(decoded.rejection.message, /set SCHEMA_REGISTRY_URL, or send JSON/);
});

void test('when the registry is away the command is not refused: it may be fine', async () => {
  const away = new BelfryError('registry_unavailable', 'away', { retryable: true });
  const registry = { byId: () => Promise.reject(away) } as unknown as Registry;
  await assert.rejects(jsonCodec(registry).decodeCommand(framed(1, Buffer.alloc(3))), away);
});

void test('tombstones and text that is no JSON are unreadable', async () => {
  for (const bytes of [null, Buffer.alloc(0), Buffer.from('{'), Buffer.from([0xff, 0xfe])]) {
    const decoded = await jsonCodec().decodeCommand(bytes);
    assert.ok('rejection' in decoded);
    assert.equal(decoded.rejection.code, 'unreadable');
  }
});

void test('text that is not UTF-8 is unreadable, and U+FFFD that was sent is text like any other', async () => {
  const schema = { type: 'record', name: 'Theirs', fields: cancelFields };
  const codec = jsonCodec(memoryRegistry([schema]));
  const written = avsc.Type.forSchema(schema).toBuffer({ ...cancel, jobId: 'a?b\uFFFD' });
  assert.deepEqual(await codec.decodeCommand(framed(FOREIGN, written)), { value: { ...cancel, jobId: 'a?b\uFFFD' } });
  written[written.indexOf('?')] = 0xff;
  const { code, message } = await rejectionOf(framed(FOREIGN, written), memoryRegistry([schema]));
  assert.deepEqual([code, message], ['unreadable', 'the record has text that is not UTF-8']);
});

void test('what is nested deeper than anybody can go is unreadable', async () => {
  const schema = { type: 'record', name: 'Nested', fields: [{ name: 'next', type: ['null', 'Nested'] }] };
  for (const levels of [1_000, 3_000, 5_000, 8_000, 400_000]) {
    const bytes = Buffer.concat([Buffer.alloc(levels, 2), Buffer.from([0])]);
    const decoded = await jsonCodec(memoryRegistry([schema])).decodeCommand(framed(FOREIGN, bytes));
    if ('rejection' in decoded) assert.equal(decoded.rejection.code, 'unreadable');
    else assert.ok('rejection' in parseCommand(decoded.value, OPTIONS));
  }
});
