import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Positions } from '../../services/adapters/kafka/positions.ts';

const tp = { topic: 't', partition: 0 };

function placedAt(offset: bigint): Positions {
  const positions = new Positions();
  positions.assign([tp]);
  positions.place(tp, offset);
  return positions;
}

describe('the positions of a consumer', () => {
  it('hand on batches that follow one another', () => {
    const positions = placedAt(10n);
    assert.deepEqual(positions.judge(tp, 10n, 14n), { verdict: 'accept', from: 10n });
    assert.deepEqual(positions.judge(tp, 15n, 15n), { verdict: 'accept', from: 15n });
  });

  it('count markers that kafkajs skipped to the next batch', () => {
    const positions = placedAt(10n);
    assert.equal(positions.skip(tp, 10n, 11n), true);
    assert.deepEqual(positions.judge(tp, 12n, 13n), { verdict: 'accept', from: 10n });
  });

  it('fetch again from where they stand after a batch of a former assignment', () => {
    const positions = placedAt(100n);
    positions.judge(tp, 100n, 149n);
    positions.assign([tp]);
    positions.place(tp, 50n);
    assert.deepEqual(positions.judge(tp, 150n, 199n), { verdict: 'refetch', from: 50n });
    assert.deepEqual(positions.judge(tp, 50n, 99n), { verdict: 'accept', from: 50n });
  });

  it('believe no skipped markers of a former assignment', () => {
    const positions = placedAt(50n);
    assert.equal(positions.skip(tp, 150n, 150n), false);
    assert.deepEqual(positions.judge(tp, 151n, 160n), { verdict: 'refetch', from: 50n });
  });

  it('hand on a jump that happens twice: the log no longer holds where they stood', () => {
    const positions = placedAt(100n);
    assert.deepEqual(positions.judge(tp, 500n, 510n), { verdict: 'refetch', from: 100n });
    assert.deepEqual(positions.judge(tp, 500n, 510n), { verdict: 'accept', from: 500n });
    assert.deepEqual(positions.judge(tp, 511n, 511n), { verdict: 'accept', from: 511n });
  });

  it('drop what is held, paused, or not assigned', () => {
    const positions = placedAt(0n);
    positions.setPaused(tp, true);
    assert.deepEqual(positions.judge(tp, 0n, 5n), { verdict: 'drop' });
    positions.setPaused(tp, false);
    positions.assign([tp]);
    assert.deepEqual(positions.judge(tp, 0n, 5n), { verdict: 'drop' });
    assert.deepEqual(positions.judge({ topic: 't', partition: 1 }, 0n, 5n), { verdict: 'drop' });
    assert.equal(positions.place({ topic: 't', partition: 1 }, 0n), false);
  });

  it('stay paused over a rejoin while they are retained, and no longer', () => {
    const positions = placedAt(0n);
    positions.setPaused(tp, true);
    positions.assign([tp]);
    positions.place(tp, 0n);
    assert.equal(positions.isOpen(tp), false);
    positions.assign([]);
    positions.assign([tp]);
    positions.place(tp, 0n);
    assert.equal(positions.isOpen(tp), true);
  });
});
