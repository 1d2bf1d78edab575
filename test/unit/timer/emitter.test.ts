/** The plain lane, with a record that the broker refuses among many. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Broker } from '../../../services/core/ports/broker.ts';
import type { OutgoingRecord } from '../../../services/core/records.ts';
import { Emitter } from '../../../services/timer/emitter.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

type Refusal = { refuses: (record: OutgoingRecord) => boolean; ids?: { topic?: string; partition?: number } };

/** Emits in batches of 100, and answers what the broker was asked for. */
async function emitted(records: OutgoingRecord[], { refuses, ids = {} }: Refusal, failOnce = false) {
  const [sends, written, refused]: [number[], OutgoingRecord[], OutgoingRecord[]] = [[], [], []];
  let failures = failOnce ? 1 : 0;
  const send = async (some: readonly OutgoingRecord[]): Promise<void> => {
    sends.push(some.length);
    if (some.some(refuses)) throw new BelfryError('record_refused', 'too large', { ids });
    if (refused.length > 0 && failures-- > 0) throw new BelfryError('broker_unavailable', 'away', { retryable: true });
    written.push(...some);
  };
  const broker = { producer: async () => ({ send, close: async () => undefined }) } as unknown as Broker;
  const clock = new VirtualClock();
  const emitter = new Emitter({ broker, clock, log: silent, produced: () => undefined, mustExist: () => true });
  let left = 0;
  for (let at = 0; at < records.length; at += 100) {
    left++;
    emitter.enqueue({
      records: records.slice(at, at + 100),
      isLive: () => true,
      onProduced: () => void left--,
      onRefused: (record) => void refused.push(record),
    });
  }
  await clock.until(() => left === 0, 'all is produced');
  return { sends, written, refused };
}

const record = (n: number, topic = 'job.due.medium', partition = n % 4): OutgoingRecord => ({
  ...{ topic, partition, key: Buffer.from(`k${n}`), value: null, headers: {} },
});

void describe('a record that the broker refuses', () => {
  const records = Array.from({ length: 400 }, (_, n) => record(n));
  const bad = records[123]!;

  void it('costs log n sends; the others are written in their order', async () => {
    const { sends, written, refused } = await emitted(records, { refuses: (each) => each === bad });
    assert.deepEqual(refused, [bad]);
    assert.deepEqual(
      written,
      records.filter((each) => each !== bad),
    );
    assert.ok(sends.length <= 20, `${sends.length} sends`);
  });

  void it('costs three sends where the error names the topic that it alone goes to', async () => {
    const lost = record(7, 'job.due.gone.medium');
    const { sends, refused } = await emitted([...records.slice(0, 200), lost, ...records.slice(200)], {
      refuses: (each) => each === lost,
      ids: { topic: lost.topic },
    });
    assert.deepEqual([refused, sends.length], [[lost], 3]);
  });

  void it('leaves the partitions whole that the error does not name', async () => {
    const { sends } = await emitted(records, {
      refuses: (each) => each === bad,
      ids: { topic: bad.topic, partition: bad.partition },
    });
    assert.deepEqual(sends.slice(0, 2), [400, 300]);
    assert.ok(sends.length <= 16, `${sends.length} sends`);
  });

  void it('is told of once, also when the broker goes away in the middle', async () => {
    const { refused, written } = await emitted(records, { refuses: (each) => each === bad }, true);
    assert.deepEqual(refused, [bad]);
    assert.equal(new Set(written).size, 399);
  });
});
