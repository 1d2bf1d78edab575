import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { dayRangeOf, eventIdOf, runIdOf, scheduledMsOf, type RunKey } from '../../services/core/run-id.ts';

const KEY: RunKey = {
  tenant: 'default',
  jobId: 'invoice-42',
  trigger: 'schedule',
  cause: '2026-12-01',
  scheduledFor: 1_796_115_600_000,
};

describe('run ids', () => {
  it('are UUIDs of version 8, the same at every call', () => {
    assert.match(runIdOf(KEY), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(runIdOf(KEY), runIdOf({ ...KEY }));
    assert.equal(runIdOf(KEY), '01a230d5-1280-8b9c-bb15-c4bcf5a6664b');
  });

  const others: Partial<RunKey>[] = [
    { tenant: 'other' },
    { jobId: 'invoice-43' },
    { trigger: 'manual' },
    { cause: '2026-12-02' },
    { scheduledFor: KEY.scheduledFor + 1 },
    { tenant: 'defaul', jobId: 'tinvoice-42' },
  ];
  for (const other of others) {
    it(`differ for ${JSON.stringify(other)}`, () => assert.notEqual(runIdOf({ ...KEY, ...other }), runIdOf(KEY)));
  }

  it('tell their scheduled time, sort by it, and lie in the range of its day', () => {
    const time = fc.integer({ min: 0, max: 4e12 });
    fc.assert(
      fc.property(time, time, fc.string(), (a, b, cause) => {
        const [idA, idB] = [runIdOf({ ...KEY, cause, scheduledFor: a }), runIdOf({ ...KEY, cause, scheduledFor: b })];
        assert.equal(scheduledMsOf(idA), a);
        if (a !== b) assert.equal(idA < idB, a < b);
        const { fromId, toId } = dayRangeOf(a);
        assert.ok(fromId <= idA && idA < toId);
        assert.equal(fromId <= idB && idB < toId, Math.floor(a / 86_400_000) === Math.floor(b / 86_400_000));
      }),
    );
  });

  it('of times before 1970 sort first and still differ', () => {
    const ids = [-1, -2].map((scheduledFor) => runIdOf({ ...KEY, scheduledFor }));
    assert.deepEqual(ids.map(scheduledMsOf), [0, 0]);
    assert.notEqual(ids[0], ids[1]);
  });
});

describe('event ids', () => {
  it('name the run and its outcome', () => {
    assert.equal(eventIdOf(runIdOf(KEY), 'COMPLETED'), `${runIdOf(KEY)}:completed`);
  });
});
