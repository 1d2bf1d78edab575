/** What Belfry exchanges in kafkajs does what the original does: byte for byte, field by field. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { crc32c } from '../../services/adapters/kafka/wire/crc32c.ts';
import { encodeProduce, type ProduceRequest } from '../../services/adapters/kafka/wire/produce-request.ts';
import {
  decodeRecord,
  type BatchContext,
  type RecordBytes,
} from '../../services/adapters/kafka/wire/record-decoder.ts';

const require = createRequire(import.meta.url);
type Encoder = { buffer: Buffer };
// Not through adapters/kafka/kafkajs.ts: these are the originals.
const original = {
  produce: require('kafkajs/src/protocol/requests/produce/v3/request') as (request: ProduceRequest) => {
    encode: () => Promise<Encoder>;
  },
  record: require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoder,
  decode: require('kafkajs/src/protocol/recordBatch/record/v0/decoder') as (
    bytes: RecordBytes,
    batch: BatchContext,
  ) => object,
  Decoder: require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => RecordBytes & {
    readVarIntBytes(): Buffer;
  },
};

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const maybeBytes = fc.option(fc.oneof(bytes, fc.string({ unit: 'binary' })));
const text = fc.string({ unit: 'binary' });
/** kafkajs stumbles over a header whose name every object inherits, such as `toString`. */
const headerName = text.filter((name) => !(name in {}));
const time = fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 });

describe('what Belfry exchanges in kafkajs', () => {
  it('is exchanged before any other part of it has taken the original', async () => {
    const module = new URL('../../services/adapters/kafka/kafkajs.ts', import.meta.url).href;
    const script = `await import(${JSON.stringify(module)}); console.log('exchanged');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(stdout, 'exchanged\n');
  });
});

describe('the checksum of a batch', () => {
  it('is CRC-32C: the vectors of RFC 3720', () => {
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
    assert.equal(crc32c(Buffer.from('xx123456789x'), 2, 11), 0xe3069283);
  });
});

describe('a Produce request', () => {
  // kafkajs measures the bytes of a header that is null wrongly, and writes it as if it were absent: none of those here.
  const message = fc.record({
    key: maybeBytes,
    value: maybeBytes,
    headers: fc.dictionary(headerName, fc.oneof(bytes, text, fc.array(bytes, { maxLength: 3 })), { maxKeys: 6 }),
  });
  const partition = fc.record({
    partition: fc.nat(100_000),
    firstSequence: fc.nat(2 ** 31 - 1),
    messages: fc.array(message, { minLength: 1, maxLength: 80 }),
  });
  const requests = fc.record({
    acks: fc.constantFrom(-1, 0, 1),
    timeout: fc.nat(60_000),
    transactionalId: fc.option(text),
    producerId: fc.bigInt({ min: -1n, max: 2n ** 62n }).map(String),
    producerEpoch: fc.nat(32_767),
    topicData: fc.array(fc.record({ topic: text, partitions: fc.array(partition, { minLength: 1, maxLength: 4 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
  });

  it('has the bytes that kafkajs would send', async () => {
    const stamped = fc.tuple(requests, time).map(([request, now]) => {
      const topicData = request.topicData.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map((each) => ({
          ...each,
          messages: each.messages.map((one, index) => ({ ...one, timestamp: String(now + index * 7) })),
        })),
      }));
      return { ...request, topicData };
    });
    await fc.assert(
      fc.asyncProperty(stamped, async (request) => {
        const expected = (await original.produce(request).encode()).buffer;
        assert.deepEqual(encodeProduce(request, 0), expected);
      }),
      { numRuns: 150 },
    );
  });

  it('stamps records that bring no time with the one it is given', () => {
    const request = (timestamp?: number): ProduceRequest => ({
      acks: -1,
      timeout: 5,
      topicData: [
        { topic: 't', partitions: [{ partition: 0, messages: [{ value: 'a', timestamp }, { value: 'b' }] }] },
      ],
    });
    assert.deepEqual(
      encodeProduce(request(), 1_700_000_000_000),
      encodeProduce(request(1_700_000_000_000), 1_700_000_000_000),
    );
  });
});

describe('a fetched record', () => {
  const records = fc.record({
    offsetDelta: fc.nat(2 ** 30),
    timestampDelta: fc.nat(2 ** 30),
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.dictionary(headerName, fc.oneof(bytes, fc.array(bytes, { minLength: 1, maxLength: 3 })), {
      maxKeys: 6,
    }),
  });
  const batches = fc.record({
    firstOffset: fc.nat(Number.MAX_SAFE_INTEGER - 2 ** 31).map(String),
    firstTimestamp: time.map(String),
    maxTimestamp: time.map(String),
    magicByte: fc.constant(2),
    isControlBatch: fc.boolean(),
    timestampType: fc.constantFrom(0, 1),
  });

  it('reads as kafkajs reads it', () => {
    fc.assert(
      fc.property(records, batches, (record, batch) => {
        const whole = new original.Decoder(original.record(record).buffer);
        const body = whole.readVarIntBytes();
        const expected = original.decode(new original.Decoder(body), batch) as Record<string, unknown>;
        const read = decodeRecord({ buffer: body, offset: 0 }, batch) as unknown as Record<string, unknown>;
        for (const name of Object.keys(expected)) assert.deepEqual(read[name], expected[name], name);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a header that has the name of what every object inherits', () => {
    const headers = { toString: 'a', ['__proto__']: 'b' };
    const body = new original.Decoder(original.record({ value: null, headers }).buffer).readVarIntBytes();
    const batch = { firstOffset: '0', firstTimestamp: '0', maxTimestamp: '0', magicByte: 2, timestampType: 0 };
    const read = decodeRecord({ buffer: body, offset: 0 }, batch).headers;
    assert.deepEqual(Object.entries(read).map(String), ['toString,a', '__proto__,b']);
  });

  it('tells its headers as text: of one that is there several times the last, of one without a value nothing', () => {
    const headers = { one: 'ä', several: ['a', 'b'], empty: '', toString: 'c', ['__proto__']: 'd' };
    const body = new original.Decoder(original.record({ value: null, headers }).buffer).readVarIntBytes();
    const read = decodeRecord({ buffer: body, offset: 0 }, {} as BatchContext).textHeaders();
    assert.deepEqual(Object.entries(read).map(String), ['one,ä', 'several,b', 'empty,', 'toString,c', '__proto__,d']);
    const withoutValue = Buffer.from([0, 0, 0, 1, 1, 2, 2, 'n'.charCodeAt(0), 1]);
    assert.deepEqual(decodeRecord({ buffer: withoutValue, offset: 0 }, {} as BatchContext).textHeaders(), { n: '' });
  });

  it('that is cut short is an error, not a wrong value', () => {
    assert.throws(() => decodeRecord({ buffer: Buffer.from([0, 0x80]), offset: 0 }, {} as BatchContext), RangeError);
  });
});
