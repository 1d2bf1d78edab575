import assert from 'node:assert/strict';
import { it, mock } from 'node:test';
import { SystemClock } from '../../../services/adapters/clock.ts';

it('who sets the time of a machine changes nothing for a service that runs there', () => {
  const clock = new SystemClock();
  const before = clock.now();
  assert.ok(Math.abs(before - Date.now()) < 50, 'until the database is asked it has the time of the machine');
  const setTo = mock.method(Date, 'now', () => 0);
  assert.ok(Math.abs(clock.now() - before) < 1_000);
  assert.equal(clock.machine(), 0);
  setTo.mock.restore();
});
