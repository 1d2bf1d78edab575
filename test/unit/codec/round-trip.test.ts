import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import type { Codec } from '../../../services/core/ports/codec.ts';
import { MAX_COMMAND_BYTES } from '../../../services/core/spec/decode-command.ts';
import {
  avroCodec,
  avsc,
  bareAck,
  bareDeadRun,
  bareOutcome,
  framed,
  fullAck,
  fullDeadRun,
  fullOutcome,
  memoryRegistry,
  schemaOf,
} from './fixtures.ts';

const codecs: Record<string, () => Promise<Codec>> = { JSON: async () => jsonCodec(), Avro: avroCodec };

for (const [encoding, open] of Object.entries(codecs)) {
  void test(`${encoding}: outcomes come back as they were, with everything and with nothing optional`, async () => {
    const codec = await open();
    for (const outcome of [fullOutcome, bareOutcome])
      assert.deepEqual(await codec.decodeOutcome(codec.encodeOutcome(outcome)), outcome);
  });

  void test(`${encoding}: results of every kind of JSON come back`, async () => {
    const codec = await open();
    for (const result of [0, false, '', 'null', '{"a":1}', [], {}, [null]])
      assert.deepEqual((await codec.decodeOutcome(codec.encodeOutcome({ ...fullOutcome, result }))).result, result);
  });

  void test(`${encoding}: answers to commands come back as they were`, async () => {
    const codec = await open();
    const unnamed = { ...fullAck, error: { code: 'unknown_job', message: 'no such job' } as const };
    for (const ack of [
      fullAck,
      bareAck,
      unnamed,
      { ...bareAck, job: { state: 'FINISHED', version: 1, nextFireAt: null } },
    ])
      assert.deepEqual(await codec.decodeAck(codec.encodeAck(ack)), ack);
  });

  void test(`${encoding}: commands come back as their users wrote them`, async () => {
    const codec = await open();
    const job = {
      type: 'CUSTOM',
      handler: 'a',
      payload: { n: [1, null] },
      schedule: { in: '5m' },
      labels: { a: 'b' },
      retry: { factor: 1.5 },
    };
    const command = { type: 'schedule', commandId: 'c', jobId: 'j', ack: true, job };
    assert.deepEqual(withoutNulls(await codec.decodeCommand(codec.encodeCommand(command))), { value: command });
  });

  void test(`${encoding}: a trigger without payload differs from one whose payload is null, or text`, async () => {
    const codec = await open();
    const trigger = { type: 'trigger', commandId: 'c', jobId: 'j' };
    const payloads = [];
    for (const payload of [undefined, null, 'null', '', 0, { a: null }]) {
      const decoded = await codec.decodeCommand(
        codec.encodeCommand({ ...trigger, ...(payload !== undefined && { payload }) }),
      );
      assert.ok('value' in decoded);
      const value = decoded.value as object;
      payloads.push('payload' in value ? value.payload : undefined);
    }
    assert.deepEqual(payloads, [undefined, null, 'null', '', 0, { a: null }]);
  });

  void test(`${encoding}: a command of 600 KiB is too large`, async () => {
    const codec = await open();
    const bytes = codec.encodeCommand({ type: 'trigger', commandId: 'c', jobId: 'j', payload: 'x'.repeat(600 * 1024) });
    const decoded = await codec.decodeCommand(bytes);
    assert.ok('rejection' in decoded);
    assert.deepEqual(decoded.rejection, {
      code: 'too_large',
      message: `a command has at most ${MAX_COMMAND_BYTES} bytes; this one has ${bytes.length}`,
    });
  });
}

void test('dead runs are written alike: times and durations as text, payload as JSON or as its text', async () => {
  const avro = await avroCodec();
  const deadRun = avsc.Type.forSchema(schemaOf('dead-run'));
  for (const dead of [fullDeadRun, bareDeadRun]) {
    const json = JSON.parse(jsonCodec().encodeDeadRun(dead).toString()) as Record<string, unknown>;
    const decoded = withoutNulls(deadRun.fromBuffer(avro.encodeDeadRun(dead).subarray(5))) as Record<string, unknown>;
    assert.deepEqual({ ...decoded, payload: JSON.parse(decoded.payload as string) as unknown }, json);
  }
  const json = JSON.parse(jsonCodec().encodeDeadRun(fullDeadRun).toString()) as Record<string, unknown>;
  assert.equal(json.scheduledFor, '2026-01-01T09:00:00.123Z');
  assert.equal(json.timeout, '15m');
  assert.deepEqual(json.retry, { maxRetries: 3, initialDelay: '2s', factor: 2, maxDelay: '1h', jitter: 0.1 });
  assert.equal(json.originOffset, '9007199254740993');
});

void test('in JSON null means absent', () => {
  const wire = JSON.parse(jsonCodec().encodeOutcome(bareOutcome).toString()) as object;
  for (const name of ['startedAt', 'result', 'resultTruncated', 'error', 'reason', 'count', 'from', 'to', 'replayOf'])
    assert.equal(name in wire, false, name);
});

void test('an Avro client refuses fields that the schema lacks, which Avro would drop without a word', async () => {
  const codec = await avroCodec();
  const command = {
    type: 'schedule',
    commandId: 'c',
    jobId: 'j',
    job: { type: 'CUSTOM', handler: 'a', schedule: { in: '5m' } },
  };
  const refuses = (value: object, field: string, message: RegExp) =>
    assert.throws(() => codec.encodeCommand(value), { name: 'BelfryError', code: 'invalid', field, message });
  refuses(
    { ...command, job: { ...command.job, timeot: '5s' } },
    'job.timeot',
    /^job\.timeot is not a field.*did you mean timeout/,
  );
  refuses({ ...command, comandId: 'x' }, 'comandId', /did you mean commandId/);
  refuses({ ...command, jobId: 5 }, 'jobId', /jobId/);
  refuses({ ...command, ifVersion: 2 ** 40 }, 'ifVersion', /ifVersion/);
  refuses({ type: 'cancel', commandId: 'c' }, 'jobId', /jobId/);
});

void test('JSON codecs with a registry read Avro too, and Avro codecs read JSON', async () => {
  const registry = memoryRegistry();
  const [avro, json] = [await avroCodec(registry), jsonCodec(registry)];
  assert.deepEqual(await json.decodeOutcome(avro.encodeOutcome(fullOutcome)), fullOutcome);
  assert.deepEqual(await avro.decodeOutcome(json.encodeOutcome(fullOutcome)), fullOutcome);
  assert.deepEqual(await avro.decodeAck(json.encodeAck(fullAck)), fullAck);
  await assert.rejects(jsonCodec().decodeOutcome(avro.encodeOutcome(fullOutcome)), {
    code: 'config_invalid',
    message: /SCHEMA_REGISTRY_URL/,
  });
});

void test('the frame is the registry’s: a zero byte and the schema’s id', async () => {
  const bytes = (await avroCodec()).encodeAck(bareAck);
  assert.deepEqual(bytes.subarray(0, 5), framed(4, Buffer.alloc(0)));
});

/** Avro decodes what is absent as null; JSON has it not at all. Payloads are the user's. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(
    kept.map(([key, item]) => [key, key === 'payload' ? (item as unknown) : withoutNulls(item)]),
  );
}
