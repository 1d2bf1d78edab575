import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Watermark } from '../../../services/core/watermark.ts';

describe('the watermark of a partition', () => {
  it('has nothing to commit before the first record', () => {
    assert.equal(new Watermark().committable(), null);
  });

  it('stands at the first record that is not done, whatever is done behind it', () => {
    const watermark = new Watermark();
    for (const offset of [5n, 6n, 9n]) assert.equal(watermark.add(offset), true);
    watermark.done(9n);
    watermark.done(6n);
    assert.equal(watermark.committable(), 5n);
    watermark.done(5n);
    assert.equal(watermark.committable(), 10n);
    assert.equal(watermark.pending, 0);
  });

  it('takes an offset once', () => {
    const watermark = new Watermark();
    watermark.add(5n);
    assert.equal(watermark.add(5n), false);
    assert.equal(watermark.add(4n), false);
  });

  it('never covers a record that is not done, never falls, and ends behind the last: any gaps, any order', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(gaps, fc.infiniteStream(fc.nat()), fc.integer({ min: 0, max: 3_000 }), (steps, order, first) => {
        const watermark = new Watermark();
        let at = BigInt(first);
        const offsets = steps.map((step) => (at += BigInt(step)));
        for (const offset of offsets) watermark.add(offset);
        const open = [...offsets];
        let before = watermark.committable() ?? -1n;
        while (open.length > 0) {
          const index = (order.next().value ?? 0) % open.length;
          const [offset] = open.splice(index, 1);
          watermark.done(offset as bigint);
          watermark.done(offset as bigint);
          const now = watermark.committable() ?? -1n;
          assert.equal(now, open[0] ?? at + 1n);
          assert.ok(now >= before);
          before = now;
        }
      }),
    );
  });

  it('stays small: a million records that finish in order leave nothing behind', () => {
    const watermark = new Watermark();
    for (let offset = 0n; offset < 1_000_000n; offset++) {
      watermark.add(offset);
      watermark.done(offset);
    }
    assert.equal(watermark.committable(), 1_000_000n);
    assert.ok((watermark as unknown as { open: bigint[] }).open.length < 4_096);
  });
});
