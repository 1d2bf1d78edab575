/** What a failed turn is taken for, and how the input to blame is found. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { FailurePolicy, judge, type Failure, type Phase } from '../../../services/timer/failure-policy.ts';

const away = new BelfryError('store_unavailable', 'away', { retryable: true });
const unclear = new BelfryError('step_unclear', 'no answer', { retryable: true });
const badData = new BelfryError('bad_data', '22021');
const broken = new BelfryError('store_error', 'no such function');
const bug = new RangeError('Invalid time value');

describe('a failed turn is judged by its phase, its error, its size and how often it failed', () => {
  const table: [Phase, Error, size: number, failures: number, partition: string, batch: string][] = [
    ['load', away, 5, 1, 'keep', 'retry'],
    ['load', away, 5, 3, 'keep', 'isolate'],
    ['load', away, 1, 9, 'keep', 'retry'],
    ['load', away, 1, 10, 'keep', 'reject'],
    ['load', badData, 5, 1, 'keep', 'isolate'],
    ['load', badData, 1, 1, 'keep', 'reject'],
    ['load', bug, 1, 2, 'keep', 'retry'],
    ['load', bug, 1, 3, 'keep', 'reject'],
    ['decide', bug, 5, 1, 'keep', 'isolate'],
    ['decide', bug, 1, 1, 'keep', 'reject'],
    ['store', unclear, 5, 2, 'reacquire', 'retry'],
    ['store', unclear, 5, 3, 'reacquire', 'isolate'],
    ['store', unclear, 1, 9, 'reacquire', 'retry'],
    ['store', unclear, 1, 10, 'reacquire', 'reject'],
    ['store', badData, 5, 1, 'keep', 'isolate'],
    ['store', badData, 1, 1, 'keep', 'reject'],
    ['store', broken, 5, 3, 'reacquire', 'isolate'],
    ['store', broken, 1, 3, 'reacquire', 'reject'],
    ['store', unclear, 0, 99, 'reacquire', 'retry'],
  ];
  for (const [phase, cause, size, failures, partition, batch] of table) {
    test(`${phase}: ${cause.message}, ${size} inputs, ${failures} times: ${partition}, ${batch}`, () => {
      assert.deepEqual(judge({ phase, cause }, size, failures), { partition, batch });
    });
  }
});

/** Tries what the policy chooses until the trial is over. @returns how many batches were tried, and what was condemned */
function trial(
  inputs: readonly string[],
  isPoison: (input: string) => boolean,
  { failure, storeIsThere = true }: { failure: Failure; storeIsThere?: boolean },
): { tried: number; condemned: string[] } {
  const condemned: string[] = [];
  const policy = new FailurePolicy({ error: (fields) => condemned.push((fields as { input: string }).input) });
  const left = new Set(inputs);
  policy.failed(0, failure, inputs, true);
  let tried = 0;
  while (policy.isOnTrial(0) && tried < 1_000) {
    if (policy.isInDoubt(0)) {
      tried++;
      if (storeIsThere) policy.controlled(0);
      continue;
    }
    policy.keepSuspects(0, (input) => left.has(input));
    const batch = policy.choose(0, [...left]);
    if (batch.length === 0) break;
    tried++;
    if (batch.some((input) => isPoison(input) && !policy.condemnedOf(0).has(input))) {
      policy.failed(0, failure, batch, false);
      continue;
    }
    for (const input of batch) left.delete(input);
    policy.applied(0, batch);
  }
  return { tried, condemned };
}

const inputs = Array.from({ length: 500 }, (_, n) => `commands ${n}`);

describe('the input to blame', () => {
  test('is found among 500 in about ten batches when the error speaks of data, wherever it stands', () => {
    for (const at of [0, 1, 250, 498, 499]) {
      const { tried, condemned } = trial(inputs, (input) => input === inputs[at], {
        failure: { phase: 'store', cause: badData },
      });
      assert.deepEqual(condemned, [inputs[at]]);
      assert.ok(tried <= 2 * Math.log2(500) + 4, `${tried} batches for the one at ${at}`);
    }
  });

  test('is found when the statement only takes too long, each time', () => {
    const { tried, condemned } = trial(inputs, (input) => input === inputs[77], {
      failure: { phase: 'store', cause: unclear },
    });
    assert.deepEqual(condemned, [inputs[77]]);
    assert.ok(tried < 70, `${tried} batches`);
  });

  test('may be one of several: all are found, and nothing else is condemned', () => {
    const poison = new Set([inputs[3], inputs[4], inputs[400]]);
    for (const cause of [badData, unclear]) {
      const failure: Failure = { phase: 'store', cause };
      let left = inputs;
      const found: string[] = [];
      // Each trial ends with what was in the batch that failed; the rest fails again, and is tried again.
      while (left.some((input) => poison.has(input) && !found.includes(input))) {
        const { condemned } = trial(left, (input) => poison.has(input), { failure });
        found.push(...condemned);
        left = left.filter((input) => !condemned.includes(input));
      }
      assert.deepEqual(new Set(found), poison);
    }
  });

  test('is nobody where no step without inputs is accepted either: the store is away', () => {
    const failure: Failure = { phase: 'store', cause: unclear };
    const { condemned } = trial(inputs.slice(0, 1), () => true, { failure, storeIsThere: false });
    assert.deepEqual(condemned, []);
  });

  test('is nobody where the same batch is applied at last', () => {
    let failures = 0;
    const { condemned } = trial(inputs, () => failures++ < 4, { failure: { phase: 'load', cause: away } });
    assert.deepEqual(condemned, []);
  });
});
