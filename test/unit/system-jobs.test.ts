import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maintainedText } from '../../services/core/system-jobs.ts';

test('what housekeeping did is told in few words', () => {
  assert.equal(maintainedText({ made: [], dropped: [] }, 0), null);
  assert.equal(
    maintainedText({ made: ['2026-11-25'], dropped: ['2026-10-20'] }, 0),
    'dropped 2026-10-20, made 2026-11-25',
  );
  const days = ['2026-11-25', '2026-11-26', '2026-11-27'];
  assert.equal(
    maintainedText({ made: days, dropped: [] }, 2),
    'made 2026-11-25 to 2026-11-27 (3 days), forgot 2 runs by the days of their tenants',
  );
});
