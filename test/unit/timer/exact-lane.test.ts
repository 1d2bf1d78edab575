/** The exact lane of a partition, with a message among many that the broker refuses. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { Records } from '../../../services/core/events.ts';
import type { Broker, GroupOffset } from '../../../services/core/ports/broker.ts';
import type { OutgoingRecord } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { ExactLane } from '../../../services/timer/exact-lane.ts';
import { dueRecord } from '../../support/due.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

void it('a message that the broker refuses among 400 costs log n transactions, and no other its place', async () => {
  const clock = new VirtualClock();
  const dues = Array.from({ length: 400 }, (_, n) =>
    dueRecord(
      { jobId: `message-${n}`, scheduledFor: n },
      { type: 'KAFKA_MESSAGE', handler: '', payload: { topic: 'orders', value: n === 123 ? 'too large' : String(n) } },
    ),
  );
  let transactions = 0;
  let position: bigint | undefined;
  const written: string[] = [];
  const transact = async (records: readonly OutgoingRecord[], [offset]: readonly GroupOffset[]): Promise<void> => {
    transactions++;
    const values = records.filter(({ topic }) => topic === 'orders').map(({ value }) => String(value));
    if (values.includes('too large'))
      throw new BelfryError('record_refused', 'too large', { ids: { topic: 'orders' } });
    written.push(...values);
    position = offset!.offset;
  };
  const broker = {
    transactional: async () => ({ init: async () => undefined, transact, close: async () => undefined }),
    committed: async () => position,
    partitions: async () => 3,
  } as unknown as Broker;
  const refused: string[] = [];
  const produced: string[] = [];
  const lane = new ExactLane({
    ...{ partition: 0, prefix: '', worker: 'host:1', broker, clock, log: silent },
    records: new Records({ topics: topicsOf(''), partitions: 4, codec: jsonCodec(), source: '/test' }),
    passedOver: async () => [],
    onProduced: (_seq, runs) => void produced.push(...runs.map(({ outcome }) => outcome.jobId)),
    onRefused: async ({ jobId }) => void refused.push(jobId),
    onDenied: () => assert.fail(),
    onFenced: () => assert.fail(),
  });
  lane.enqueue(
    1,
    dues.map((due) => ({ due, finishedAt: 1 })),
  );
  await clock.until(() => produced.length > 0, 'the row is done');
  assert.deepEqual(refused, ['message-123']);
  assert.deepEqual(
    written,
    dues.map((_, n) => String(n)).filter((value) => value !== '123'),
  );
  assert.ok(transactions <= 20, `${transactions} transactions`);
});
