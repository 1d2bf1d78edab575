import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { broken, command, kept, scheduled, T0 } from './histories.ts';

const lateBy = (ms: number) => {
  const first = scheduled();
  const late = command('trigger', 1_000, { answer: { ...first.answer!, outcome: 'duplicate', at: T0 + 1_000 + ms } });
  return [first, late];
};

describe('the checker, I17, what poison does to the others', () => {
  it('sees a command that waits beside poison for longer than it may', () => {
    assert.deepEqual(broken(kept({ promptMs: 5_000, commands: lateBy(5_001) })), ['I17']);
    assert.deepEqual(broken(kept({ promptMs: 5_000, commands: lateBy(5_000) })), []);
  });

  it('asks for nothing where nothing is poisoned, and not while something else is wrong', () => {
    assert.deepEqual(broken(kept({ commands: lateBy(60_000) })), []);
    const fault = { node: 'timer-1', kind: 'cut', from: T0 + 2_000, until: T0 + 50_000 } as const;
    assert.deepEqual(broken(kept({ promptMs: 5_000, commands: lateBy(60_000), faults: [fault] })), []);
  });
});
