import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StepSize } from '../../../services/timer/step-size.ts';

describe('how much a step takes', () => {
  it('grows while full steps are short, as far as it may', () => {
    const size = new StepSize(500);
    const limits = Array.from({ length: 6 }, () => {
      size.took(10, true);
      return size.limit;
    });
    assert.deepEqual(limits, [64, 128, 256, 500, 500, 500]);
  });

  it('is halved by each step that takes too long, full or not, down to a least', () => {
    const size = new StepSize(500);
    for (let n = 0; n < 4; n++) size.took(10, true);
    const limits = Array.from({ length: 6 }, () => {
      size.took(300, false);
      return size.limit;
    });
    assert.deepEqual(limits, [250, 125, 62, 32, 32, 32]);
  });

  it('does not change by a step that had nothing more to take', () => {
    const size = new StepSize(500);
    size.took(1, false);
    assert.equal(size.limit, 32);
  });

  it('is never more than it was told', () => assert.equal(new StepSize(5).limit, 5));
});
