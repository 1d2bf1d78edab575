/** What lists and pages call `nextFireAt` is when the next run starts, and they are sorted by it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PostgresInspect } from '../../services/adapters/postgres/inspect.ts';
import { PostgresTimerStore } from '../../services/adapters/postgres/timer-store.ts';
import type { Job, Schedule } from '../../services/core/model.ts';
import { nextStartAt } from '../../services/core/occurrences/next-start.ts';
import type { JobOrder } from '../../services/core/ports/inspect.ts';
import { jobJson } from '../../services/core/resources.ts';
import { jobIn, Owner, SPEC, T0 } from '../conformance/timer-fixtures.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

const DAY = 86_400_000;
const NONE = { startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };
const noon: Schedule = {
  kind: 'cron',
  cron: '0 12 * * *',
  timezone: 'UTC',
  dst: { gap: 'shift', repeat: 'once' },
  ...NONE,
};
const untilSixth: Schedule = { ...noon, exclude: ['2026-06-01/2026-06-06'] };
const listening: Schedule = {
  kind: 'on',
  event: 'e',
  filter: null,
  waitMs: 0,
  timezone: 'UTC',
  ...NONE,
  endAt: T0 + DAY,
};

void describe('the next run of a job', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('next_start');
  const byNext: JobOrder = { by: 'nextFireAt', descending: false };
  const of = (jobId: string, schedule: Schedule, nextAt: number): Job =>
    jobIn(0, { jobId, spec: { ...SPEC, schedule }, nextAt, nextFireAt: nextAt });

  void it('is not an excluded day nor the end of a job that waits for events, in pages and in their order', async () => {
    const store = new PostgresTimerStore(pg());
    const inspect = new PostgresInspect(pg());
    const me = await Owner.take(store, 0);
    const jobs = [
      of('a-excluded', untilSixth, T0),
      of('b-tomorrow', noon, T0 + DAY),
      of('c-listening', listening, T0 + DAY),
      of('d-week', noon, T0 + 7 * DAY),
    ];
    assert.ok(await me.step({ jobs }));
    const listed = await inspect.jobs({}, 10, byNext);
    assert.deepEqual(
      listed.map(({ jobId, nextStartAt: at }) => [jobId, at]),
      [
        ['b-tomorrow', T0 + DAY],
        ['a-excluded', T0 + 6 * DAY],
        ['d-week', T0 + 7 * DAY],
        ['c-listening', null],
      ],
    );
    for (const job of listed) assert.equal(job.nextStartAt, nextStartAt(job), 'as the ack of the timer says');
    for (const [index, after] of listed.entries()) {
      const rest = await inspect.jobs({}, 10, { ...byNext, after });
      assert.deepEqual(
        rest.map(({ jobId }) => jobId),
        listed.slice(index + 1).map(({ jobId }) => jobId),
      );
    }
    const shown = jobJson((await inspect.job('default', 'a-excluded'))!) as { nextFireAt: string };
    assert.equal(shown.nextFireAt, '2026-06-07T12:00:00.000Z');
  });

  void it('is the next strike again once a step that knows nothing of it has changed the job', async () => {
    const inspect = new PostgresInspect(pg());
    const now = T0 + 2 * DAY;
    const text = 'UPDATE jobs SET next_at = $1, next_fire_at = $1 WHERE job_id = $2';
    await pg().query({ name: 'former_release', text }, [now, 'a-excluded']);
    assert.equal((await inspect.job('default', 'a-excluded'))?.nextStartAt, now);
    await pg().query({ name: 'former_release', text }, [null, 'a-excluded']);
    assert.equal((await inspect.job('default', 'a-excluded'))?.nextStartAt, null);
  });
});
