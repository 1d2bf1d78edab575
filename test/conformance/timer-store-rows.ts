/** What every timer store does with timers, commands and runs, and what it forgets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { TimerStore } from '../../services/core/ports/timer-store.ts';
import { batch, decided, dueOf, jobIn, newJobId, type Owner, runId, T0, timerIn } from './timer-fixtures.ts';

const DAY_MS = 86_400_000;

/**
 * @param stored the store, once the tests run
 * @param owner takes a partition that no other test has
 */
export function timerStoreRowsConformance(stored: () => TimerStore, owner: () => Promise<Owner>): void {
  describe('timers', () => {
    test('come in the order of their time, then of their run, up to the limit, and only those before', async () => {
      const me = await owner();
      const [late, early, twinA, twinB] = [
        timerIn(me.partition, { fireAt: T0 + 30 }),
        timerIn(me.partition, { fireAt: T0 + 10 }),
        timerIn(me.partition, { fireAt: T0 + 20, runId: runId('z', 1) }),
        timerIn(me.partition, { fireAt: T0 + 20, runId: runId('z', 2 ** 40) }),
      ] as const;
      await me.step({ addTimers: [late, twinB, early, twinA] });
      assert.deepEqual(await me.timers(), [early, twinA, twinB, late]);
      assert.deepEqual(await me.timers(T0 + 30), [early, twinA, twinB]);
      assert.deepEqual(await me.timers(T0 + 30, 2), [early, twinA]);
      assert.deepEqual(await me.timers(T0 + 10), []);
    });

    test('of runs that wait are found by the runs, and so are those that were cancelled by themselves', async () => {
      const me = await owner();
      const [jobId, other] = [newJobId(), newJobId()];
      const waiting = timerIn(me.partition, { jobId, kind: 'run', topic: '' });
      const once = timerIn(me.partition, { jobId: other });
      await me.step({ addTimers: [waiting, once] });
      const named = [waiting, once].map((row) => ({ ...row, tenant: 'default' }));
      const found = await stored().waitingRuns(named);
      assert.deepEqual(found, { timers: [waiting], parked: new Set() });
      await me.step({ cancelledRuns: [waiting.runId] });
      await me.step({ cancelledRuns: [waiting.runId] });
      const cancelled = await stored().cancelledRuns([once.runId, waiting.runId]);
      assert.deepEqual(cancelled, new Set([waiting.runId]));
    });

    test('of several partitions are limited each', async () => {
      const [one, two] = [await owner(), await owner()];
      for (const me of [one, two]) {
        await me.step({ addTimers: [1, 2, 3].map((ms) => timerIn(me.partition, { fireAt: T0 + ms })) });
      }
      const timers = await stored().timers([two.partition, one.partition], T0 + 10, 2);
      for (const me of [one, two]) {
        const times = timers.filter(({ partition }) => partition === me.partition).map(({ fireAt }) => fireAt - T0);
        assert.deepEqual(times, [1, 2]);
      }
      assert.deepEqual(await stored().timers([], T0 + 10, 2), []);
    });

    test('are found behind those of tenants that are left out', async () => {
      const me = await owner();
      const flood = [1, 2, 3].map((ms) => timerIn(me.partition, { fireAt: T0 + ms, tenant: 'flood' }));
      const [behind, later] = [timerIn(me.partition, { fireAt: T0 + 4 }), timerIn(me.partition, { fireAt: T0 + 99 })];
      await me.step({ addTimers: [...flood, behind, later] });
      assert.deepEqual(await stored().timers([me.partition], T0 + 10, 2, ['flood', 'other']), [behind]);
    });

    test('of high priority are found behind others', async () => {
      const me = await owner();
      const flood = [1, 2, 3].map((ms) => timerIn(me.partition, { fireAt: T0 + ms, topic: 'job.due.high.low' }));
      const urgent = ['job.due.high', 'staging.job.due.reports.high'].map((topic, index) =>
        timerIn(me.partition, { fireAt: T0 + 4 + index, topic }),
      );
      const later = timerIn(me.partition, { fireAt: T0 + 99, topic: 'job.due.high' });
      await me.step({ addTimers: [...flood, ...urgent, later] });
      const urgentTimers = (limit: number): Promise<unknown> => stored().urgentTimers([me.partition], T0 + 10, limit);
      assert.deepEqual(await urgentTimers(9), urgent);
      assert.deepEqual(await urgentTimers(1), urgent.slice(0, 1));
    });

    test('come back with every field as it was written', async () => {
      const me = await owner();
      const timer = timerIn(me.partition, {
        kind: 'retry',
        topic: '',
        due: JSON.stringify({ text: '\u0000 🔔 \\ " {,} NULL' }),
      });
      await me.step({ addTimers: [timer] });
      assert.deepEqual(await me.timers(), [timer]);
    });

    test('that are removed do not come again, one that is added again in the same step does', async () => {
      const me = await owner();
      const [one, two, moved] = [timerIn(me.partition), timerIn(me.partition), timerIn(me.partition)];
      await me.step({ addTimers: [one, two, moved] });
      const removed = [one, moved, timerIn(me.partition), { ...two, fireAt: two.fireAt + 1 }];
      await me.step({ removeTimers: removed, addTimers: [{ ...moved, kind: 'occurrence' }] });
      const left = await me.timers();
      assert.deepEqual(new Set(left.map(({ runId: id }) => id)), new Set([two.runId, moved.runId]));
      assert.equal(left.find(({ runId: id }) => id === moved.runId)?.kind, 'occurrence');
    });

    test('with the same key are one, the last one', async () => {
      const me = await owner();
      const timer = timerIn(me.partition);
      assert.ok(await me.step({ addTimers: [timer, { ...timer, due: 'second' }] }));
      assert.ok(await me.step({ addTimers: [{ ...timer, due: 'third' }] }));
      assert.deepEqual(
        (await me.timers()).map(({ due }) => due),
        ['third'],
      );
    });

    test('of jobs that wait for a retry are found by their jobs, all in one question', async () => {
      const me = await owner();
      const [job, other, idle] = [newJobId(), newJobId(), newJobId()].map((jobId) => ({ tenant: 'default', jobId }));
      const retries = [job!, other!, job!].map((of, index) =>
        timerIn(me.partition, { ...of, fireAt: T0 + 3 - index, kind: 'retry' }),
      );
      await me.step({
        addTimers: [...retries, timerIn(me.partition, job), timerIn(me.partition, { kind: 'retry' })],
      });
      assert.deepEqual(await stored().retryTimers([job!, idle!, other!, job!]), [...retries].reverse());
      assert.deepEqual(await stored().retryTimers([idle!]), []);
    });
  });

  describe('commands and runs', () => {
    test('remembers ids of commands, each of its own job', async () => {
      const me = await owner();
      const [one, two] = [newJobId(), newJobId()];
      const seen = (jobId: string, commandId: string) => ({ tenant: 'default', jobId, commandId });
      assert.ok(await me.step({ seenCommands: [seen(one, 'c-1'), seen(one, 'c-1'), seen(two, 'c/2')] }));
      assert.ok(await me.step({ seenCommands: [seen(one, 'c-1')] }));
      const known = await stored().read([], [seen(one, 'c-1'), seen(two, 'c-1'), seen(two, 'c/2')]);
      assert.deepEqual(known.seen, new Set([`default/${one}/c-1`, `default/${two}/c/2`]));
    });

    test('a run that the timer decided is stored once, as the first one said', async () => {
      const me = await owner();
      const jobId = newJobId();
      const id = runId(jobId);
      const failed = decided(
        id,
        jobId,
        {
          status: 'FAILED',
          reason: null,
          error: { code: 'publish_failed', message: 'a\u0000b' },
          result: { text: '\u0000' },
        },
        dueOf(id, jobId),
      );
      assert.ok(await me.step({ runs: [failed] }));
      assert.ok(await me.step({ runs: [decided(id, jobId, { status: 'COMPLETED', finishedAt: T0 + 99 })] }));
      assert.deepEqual((await stored().runs([id])).get(id), {
        ...{
          runId: id,
          tenant: 'default',
          jobId,
          status: 'FAILED',
          finishedAt: T0 + 5,
          scheduledFor: T0,
          idempotencyKey: id,
        },
        ...{ due: dueOf(id, jobId), replays: [], replayOf: null },
        ...{ result: { text: '\u0000' }, resultTruncated: false },
        error: { code: 'publish_failed', message: 'a\ufffdb' },
      });
    });

    test('a run tells the statuses of its replays, ENQUEUED before they have a row', async () => {
      const me = await owner();
      const jobId = newJobId();
      const [original, first, second] = [runId(jobId, T0), runId(jobId, T0 + 1), runId(jobId, T0 + 2)];
      const replays = [first, second].map((replay) => ({ original, replay }));
      await me.step({ runs: [decided(original, jobId)], replays: [...replays, ...replays] });
      assert.deepEqual((await stored().runs([original])).get(original)?.replays, ['ENQUEUED', 'ENQUEUED']);
      await me.step({ runs: [decided(second, jobId, { status: 'COMPLETED', replayOf: original })], replays });
      assert.deepEqual((await stored().runs([original, original])).get(original)?.replays, ['ENQUEUED', 'COMPLETED']);
      assert.equal((await stored().runs([first])).size, 0);
    });

    test('active runs that ended are found: those that are old enough, of the partition asked for', async () => {
      const [me, other] = [await owner(), await owner()];
      const ids = ['ended', 'recent', 'running'].map((text) => runId(text + me.partition));
      const [ended, recent, running] = ids as [string, string, string];
      const active = [ended, running]
        .map((id) => ({ runId: id, since: T0 }))
        .concat({ runId: recent, since: T0 + 100 });
      const job = jobIn(me.partition, { active });
      const foreign = runId(`foreign${me.partition}`);
      await me.step({
        jobs: [job, jobIn(me.partition)],
        runs: [decided(ended, job.jobId), decided(recent, job.jobId)],
      });
      await other.step({
        jobs: [jobIn(other.partition, { active: [{ runId: foreign, since: T0 }] })],
        runs: [decided(foreign, 'x')],
      });
      assert.deepEqual(await stored().endedActive(me.partition, T0 + 100, 10), [
        { job: { tenant: 'default', jobId: job.jobId }, runId: ended, finishedAt: T0 + 5 },
      ]);
      assert.deepEqual(await stored().endedActive(me.partition, T0, 10), []);
      assert.equal((await stored().endedActive(me.partition, T0 + 200, 1)).length, 1, 'no more than were asked for');
    });
  });

  describe('watching and housekeeping', () => {
    test('statistics count timers, overdue ones and the outbox of the partitions asked for', async () => {
      const [me, other] = [await owner(), await owner()];
      const now = await stored().databaseNow();
      const timers = [now - 60_000, now - 5_000, now + 60_000].map((fireAt) => timerIn(me.partition, { fireAt }));
      await me.step({ addTimers: timers, outbox: [batch(me.partition, 1)], outboxSeq: 1 });
      await other.step({ addTimers: [timerIn(other.partition, { fireAt: now - 90_000 })] });
      const { oldestSnapshotAgeMs, ...stats } = await stored().stats([me.partition]);
      assert.deepEqual(stats, { overdue: 2, oldestOverdueAt: now - 60_000, timers: 3, outboxDepth: 1 });
      assert.ok(oldestSnapshotAgeMs >= 0);
      assert.equal((await stored().stats([])).oldestOverdueAt, null);
    });

    test('tells whether several tenants have jobs', async () => {
      const me = await owner();
      await me.step({ jobs: [jobIn(me.partition, { tenant: 'acme' })] });
      await me.step({ jobs: [jobIn(me.partition, { tenant: 'globex' })] });
      assert.equal(await stored().isShared(), true);
    });

    test('maintenance forgets what is old and has ended, and nothing else', async () => {
      const me = await owner();
      const now = await stored().databaseNow();
      const updatedAt = now - 31 * DAY_MS;
      const jobs = {
        finished: jobIn(me.partition, { state: 'FINISHED', updatedAt }),
        cancelled: jobIn(me.partition, { state: 'CANCELLED', updatedAt }),
        scheduled: jobIn(me.partition, { updatedAt }),
        recent: jobIn(me.partition, { state: 'FINISHED', updatedAt: now - 29 * DAY_MS }),
        active: jobIn(me.partition, { state: 'CANCELLED', updatedAt, active: [{ runId: runId('x'), since: T0 }] }),
      };
      const [oldRun, newRun] = [now - 33 * DAY_MS, now - 29 * DAY_MS].map((at) => runId('maintained', at)) as [
        string,
        string,
      ];
      const replays = [oldRun, newRun].map((original) => ({ original, replay: runId('replay') }));
      const runs = [oldRun, newRun].map((id, index) =>
        decided(id, 'maintained', { finishedAt: now - (33 - 4 * index) * DAY_MS }),
      );
      const seenCommands = [{ tenant: 'default', jobId: 'maintained', commandId: 'c-1' }];
      await me.step({ jobs: Object.values(jobs), runs, replays, seenCommands });

      await stored().maintain(now, 30 * DAY_MS);
      await stored().maintain(now, 30 * DAY_MS);
      const known = await stored().read(Object.values(jobs), seenCommands);
      const left = Object.entries(jobs).filter(([, job]) => known.jobs.has(`default/${job.jobId}`));
      assert.deepEqual(
        left.map(([kind]) => kind),
        ['scheduled', 'recent', 'active'],
      );
      assert.equal(known.seen.size, 1);
      assert.deepEqual([...(await stored().runs([oldRun, newRun])).keys()], [newRun]);
      assert.equal((await stored().runs([newRun])).get(newRun)?.replays.length, 1);

      await stored().maintain(now + 2 * DAY_MS, 30 * DAY_MS);
      assert.equal((await stored().read([], seenCommands)).seen.size, 0);
    });

    test('maintenance forgets an arrival once it is old and its run is gone', async () => {
      const me = await owner();
      const now = await stored().databaseNow();
      const job = { tenant: 'default', jobId: newJobId() };
      const upstreams = { gone: now - 33 * DAY_MS, recent: now, kept: now + 10 * DAY_MS };
      const ids = Object.entries(upstreams).map(([name, at]) => [name, runId(`${name} of ${job.jobId}`, at)] as const);
      const arrivals = ids.map(([upstream, id]) => {
        return { ...job, upstream, runId: id, anchorAt: T0, setId: null, superseded: false };
      });
      const runs = ids.map(([upstream, id]) => decided(id, upstream, { finishedAt: upstreams[upstream as 'gone'] }));
      await me.step({ runs, arrivals });
      const left = async (): Promise<string[]> => {
        const found = await stored().arrivals([{ ...job, runId: runId('any') }]);
        return found.map(({ upstream }) => upstream).sort();
      };

      await stored().maintain(now, 30 * DAY_MS);
      assert.deepEqual(await left(), ['gone', 'kept', 'recent'], 'it arrived lately, though its run is gone');
      await stored().maintain(now + 35 * DAY_MS, 30 * DAY_MS);
      assert.deepEqual(await left(), ['kept'], 'its run is there');
    });
  });
}
