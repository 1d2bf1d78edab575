/** Records of one partition that wait for a step: whatever waits, each costs the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FetchedBatch } from '../../../services/core/ports/broker.ts';
import type { Input } from '../../../services/timer/inputs.ts';
import { IntakeQueue } from '../../../services/timer/intake-queue.ts';
import { timed } from '../../support/processor-time.ts';

/** Records of each batch whose cost is measured. */
const COUNT = 32_000;
const INPUT: Input = { kind: 'forward', partition: 0 };

function batchOf(from: number, count: number): FetchedBatch {
  const records = Array.from({ length: count }, (_, index) => {
    const place = { topic: 'completed', partition: 0, offset: BigInt(from + index) };
    return { ...place, timestampMs: 0, key: null, value: null, headers: {} };
  });
  const nextOffset = BigInt(from + count);
  const offsets = { fetchedOffset: BigInt(from), nextOffset, highWatermark: nextOffset };
  return { topic: 'completed', partition: 0, ...offsets, records };
}

/** Records that are taken in at once, and others that are left unread and turn out to mean nothing. */
function takeAndPassOver(order: readonly ('take' | 'later')[]): void {
  const queue = new IntakeQueue(0n);
  order.forEach((what, at) => queue.accept(batchOf(at * COUNT, COUNT), () => (what === 'take' ? INPUT : 'later')));
  for (let item = queue.nextUnread(); item !== undefined; item = queue.nextUnread()) queue.skip(item);
}

describe('the queue of a partition', () => {
  it('passes over a record that means nothing at the same cost, however many wait before it', () => {
    const { ms: atHead } = timed(() => takeAndPassOver(['later', 'take']));
    const { ms: behind } = timed(() => takeAndPassOver(['take', 'later']));
    // Looking at those before it took seven times as long.
    assert.ok(behind < 2 * atHead, `behind nothing it takes ${atHead} ms, behind ${COUNT} records ${behind} ms`);
  });

  it('moves the offset past what was passed over, wherever it stood', () => {
    for (const passedOver of [[0], [1], [3], [0, 1], [2, 3], [0, 1, 2, 3], [0, 2]]) {
      const queue = new IntakeQueue(0n);
      queue.accept(batchOf(0, 4), () => 'later');
      for (let item = queue.nextUnread(), at = 0; item !== undefined; item = queue.nextUnread(), at++) {
        if (passedOver.includes(at)) queue.skip(item);
        else item.input = INPUT;
      }
      const ready = queue.ready(10, Infinity);
      assert.equal(ready.at(-1)?.after, 4n, `without ${passedOver.join(', ')}`);
      assert.equal(ready.filter(({ record }) => record !== null).length, 4 - passedOver.length);
      assert.equal(queue.length, 4 - passedOver.length);
      queue.drop(ready.length, 4n);
      assert.deepEqual([queue.length, queue.bytes, queue.ready(10, Infinity)], [0, 0, []]);
    }
  });

  it('answers each unread record once, also those that come while others are read or applied', () => {
    const queue = new IntakeQueue(0n);
    const answered: bigint[] = [];
    const readAll = (): void => {
      for (let item = queue.nextUnread(); item !== undefined; item = queue.nextUnread()) {
        answered.push(item.record!.offset);
        if (item.record!.offset % 3n === 0n) queue.skip(item);
        else item.input = INPUT;
      }
    };
    for (let round = 0; round < 5; round++) {
      queue.accept(batchOf(round * 4, 4), (record) => (record.offset % 2n === 0n ? 'later' : INPUT));
      readAll();
      queue.drop(queue.ready(3, Infinity).length, queue.ready(3, Infinity).at(-1)!.after);
    }
    assert.deepEqual(answered, [0n, 2n, 4n, 6n, 8n, 10n, 12n, 14n, 16n, 18n]);
  });
});
