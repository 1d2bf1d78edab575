import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { partitionHash, partitionOf } from '../../services/core/murmur2.ts';

const kafkajsMurmur2 = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (
  key: string | Buffer,
) => number;

describe('partitionOf', () => {
  // From UtilsTest.java of Apache Kafka.
  const known: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, murmur2] of known) {
    it(`hashes "${key}" as Java does`, () => assert.equal(partitionHash(key), murmur2 & 0x7fffffff));
  }

  it('chooses the partition that kafkajs chooses, for any text or bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'grapheme' }), bytes),
        fc.integer({ min: 1, max: 100 }),
        (key, partitions) => {
          assert.equal(partitionOf(key, partitions), (kafkajsMurmur2(key) & 0x7fffffff) % partitions);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
