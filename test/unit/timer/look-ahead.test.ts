import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LookAhead } from '../../../services/core/look-ahead.ts';
import type { TimerRow } from '../../../services/core/ports/timer-store.ts';

const CAPACITY = 8;

function row(fireAt: number, id: number): TimerRow {
  const runId = `run-${String(id).padStart(3, '0')}`;
  return {
    partition: 0,
    fireAt,
    runId,
    kind: 'retry',
    tenant: 't',
    jobId: 'j',
    topic: 'x',
    due: '0123456789',
  };
}

const order = (a: TimerRow, b: TimerRow): number =>
  a.fireAt - b.fireAt || (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0);
const same = (a: TimerRow, b: TimerRow): boolean => order(a, b) === 0;

const timer = fc.tuple(fc.nat(30), fc.nat(40)).map(([fireAt, id]) => row(fireAt, id));
const action = fc.oneof(
  { weight: 4, arbitrary: timer.map((timer) => ({ do: 'add' as const, timer })) },
  { weight: 2, arbitrary: fc.nat(60).map((index) => ({ do: 'remove' as const, index })) },
  { weight: 2, arbitrary: fc.nat(30).map((now) => ({ do: 'fire' as const, now })) },
);

test('what is due is always the beginning of what is stored, whatever was added, removed, and dropped for room', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const ahead = new LookAhead(CAPACITY);
      let stored: TimerRow[] = [];
      for (const step of actions) {
        if (ahead.needsRefill()) ahead.refill(stored.slice(0, CAPACITY), CAPACITY);
        if (step.do === 'add') {
          stored = [...stored.filter((known) => !same(known, step.timer)), step.timer].sort(order);
          ahead.add(step.timer);
        } else if (step.do === 'remove') {
          const gone = stored[step.index];
          if (gone === undefined) continue;
          stored = stored.filter((known) => known !== gone);
          ahead.remove(gone);
        } else {
          const due = ahead.due(step.now, 3, 1_000);
          const all = stored.filter(({ fireAt }) => fireAt <= step.now);
          assert.deepEqual(due, all.slice(0, due.length));
          assert.ok(due.length > 0 || all.length === 0 || ahead.needsRefill(), 'nothing is overlooked');
          for (const fired of due) ahead.remove(fired);
          stored = stored.filter((known) => !due.includes(known));
        }
        assert.ok(ahead.size <= CAPACITY);
        const next = ahead.nextWakeAt();
        assert.ok(next === -Infinity || next === (stored[0]?.fireAt ?? null));
      }
    }),
  );
});

test('bytes bound what is due at once, but one row always comes', () => {
  const ahead = new LookAhead(CAPACITY);
  ahead.refill([row(1, 1), row(1, 2), row(1, 3)], CAPACITY);
  assert.equal(ahead.due(5, 10, 25).length, 2);
  assert.equal(ahead.due(5, 10, 0).length, 1);
});

test('where more is due than may be answered, tenants take turns, each with its earliest first', () => {
  const ahead = new LookAhead(CAPACITY);
  const rows = [
    ...[1, 2, 3, 4, 5].map((id) => ({ ...row(id, id), tenant: 'flood' })),
    { ...row(6, 6), tenant: 'other' },
    { ...row(7, 7), tenant: 'other' },
  ];
  ahead.refill(rows, CAPACITY);
  const ids = (due: readonly TimerRow[]): number[] => due.map(({ fireAt }) => fireAt);
  assert.deepEqual(ids(ahead.due(10, 4, 1_000)), [1, 6, 2, 7]);
  assert.deepEqual(ids(ahead.due(10, 10, 30)), [1, 6, 2], 'bytes are counted in turns, too');
  assert.deepEqual(ids(ahead.due(6, 3, 1_000)), [1, 6, 2], 'what is not due has no turn');
  assert.deepEqual(ids(ahead.due(10, 7, 1_000)), [1, 2, 3, 4, 5, 6, 7], 'all of it is answered in order');
});
