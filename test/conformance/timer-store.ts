/** What every timer store does, whatever it keeps its rows in. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { BelfryError } from '../../services/core/errors.ts';
import type { Job } from '../../services/core/model.ts';
import type { PartitionStep, TimerStore } from '../../services/core/ports/timer-store.ts';
import type { Outcome } from '../../services/core/records.ts';
import {
  batch,
  decided,
  jobIn,
  Owner,
  runId,
  SPEC,
  stepOf,
  T0,
  timerIn,
  type TimerStoreHarness,
} from './timer-fixtures.ts';
import { timerStoreChainsConformance } from './timer-store-chains.ts';
import { timerStoreEnqueuedConformance } from './timer-store-enqueued.ts';
import { timerStoreWaitingConformance } from './timer-store-waiting.ts';
import { timerStoreAuditConformance } from './timer-store-audit.ts';
import { timerStoreRejectedConformance } from './timer-store-rejected.ts';
import { timerStoreSubscriptionsConformance } from './timer-store-subscriptions.ts';
import { timerStoreRowsConformance } from './timer-store-rows.ts';

export const PARTITIONS = 200;

/** @param open an empty store of PARTITIONS partitions */
export function timerStoreConformance(name: string, open: () => Promise<TimerStoreHarness>): void {
  describe(`${name} as a timer store`, () => {
    let harness: TimerStoreHarness;
    let store: TimerStore;
    let partitions = 0;
    const owner = (): Promise<Owner> => Owner.take(store, (partitions += 1));

    before(async () => {
      harness = await open();
      store = harness.store;
    });
    after(() => harness.close());

    describe('a job', () => {
      test('comes back with every field as it was written', async () => {
        const me = await owner();
        const job: Job = {
          tenant: 'acme',
          jobId: 'all.fields:of_a-job',
          partition: me.partition,
          state: 'PAUSED',
          version: 7,
          spec: {
            ...SPEC,
            payload: {
              nul: 'a\u0000b',
              emoji: '🔔',
              halves: ['\ud83d', '\udd14'],
              quotes: `"'\`{},NULL`,
              backslashes: '\\ \\\\ \\u0000',
              lines: '\r\n\t',
              nested: [null, true, 1e300, -0.1, { '': [] }],
            },
            schedule: {
              kind: 'cron',
              cron: '0 9 * * MON-FRI',
              timezone: 'Europe/Paris',
              dst: { gap: 'shift', repeat: 'once' },
              startAt: T0,
              endAt: null,
              exclude: ['2026-12-25'],
              jitterMs: 5,
              maxRuns: 3,
            },
            labels: { team: 'bïlling "{1,2}"' },
          },
          cancelGen: 4,
          anchorAt: T0 - 1,
          nextAt: T0 + 1,
          nextFireAt: T0 + 2,
          runCount: 2,
          active: [{ runId: runId('a'), since: T0 }],
          buffered: [
            {
              runId: runId('b'),
              scheduledFor: T0,
              origin: { trigger: 'manual', cause: 'c-1', replayOf: null },
              payload: '\u0000',
              idempotencyKey: runId('b'),
            },
          ],
          recentCommands: ['c-1', 'c "2"'],
          appliedCommands: [
            { type: 'schedule', commandId: 'c-1', at: 1_000, offset: '9007199254740993', since: 500 },
            { type: 'pause', commandId: 'c "2"', at: 2_000, offset: null },
          ],
          pausedAt: T0 + 3,
          createdAt: T0 + 4,
          updatedAt: T0 + 5,
        };
        assert.ok(await me.step({ jobs: [job] }));
        const known = await store.read([{ tenant: 'acme', jobId: job.jobId }], []);
        assert.deepEqual(known.jobs.get(`acme/${job.jobId}`), job);

        const nothing = {
          ...job,
          nextAt: null,
          nextFireAt: null,
          pausedAt: null,
          active: [],
          buffered: [],
          recentCommands: [],
        };
        assert.ok(await me.step({ jobs: [nothing] }));
        assert.deepEqual((await store.read([nothing], [])).jobs.get(`acme/${job.jobId}`), nothing);
      });

      test('that is written again replaces the former one, with a new version its spec as well', async () => {
        const me = await owner();
        const job = jobIn(me.partition);
        await me.step({ jobs: [job] });
        const next: Job = {
          ...job,
          state: 'PAUSED',
          version: 2,
          spec: { ...SPEC, payload: 'new', overlap: 'skip' },
          runCount: 9,
          updatedAt: T0 + 1,
        };
        await me.step({ jobs: [next] });
        assert.deepEqual(await me.job(job.jobId), next);
      });

      test('keeps its stored spec while its version stays', async () => {
        const me = await owner();
        const job = jobIn(me.partition);
        await me.step({ jobs: [job] });
        await me.step({ jobs: [{ ...job, runCount: 1, spec: { ...SPEC, payload: 'unannounced' } }] });
        assert.deepEqual(await me.job(job.jobId), { ...job, runCount: 1 });
      });

      test('that stands twice in one step is written as the last one says', async () => {
        const me = await owner();
        const job = jobIn(me.partition);
        assert.ok(await me.step({ jobs: [job, { ...job, runCount: 5 }] }));
        assert.equal((await me.job(job.jobId))?.runCount, 5);
      });

      test('that nobody wrote is not among the known', async () => {
        assert.equal((await store.read([{ tenant: 'default', jobId: 'nobody' }], [])).jobs.size, 0);
        assert.equal((await store.read([], [])).jobs.size, 0);
      });

      test('that fired as a one-shot is FINISHED and has no next occurrence', async () => {
        const me = await owner();
        const [job, paused] = [jobIn(me.partition), jobIn(me.partition, { state: 'PAUSED' })];
        await me.step({ jobs: [job, paused] });
        await me.step({ finished: [job, paused, { tenant: 'default', jobId: 'gone' }] });
        const { updatedAt, ...rest } = (await me.job(job.jobId)) as Job;
        const { updatedAt: formerly, ...before } = job;
        assert.deepEqual(rest, { ...before, state: 'FINISHED', nextAt: null, nextFireAt: null });
        assert.notEqual(updatedAt, formerly);
        assert.equal((await me.job(paused.jobId))?.state, 'PAUSED');
      });

      test('that fired as a one-shot and is scheduled anew in the same step stays scheduled', async () => {
        const me = await owner();
        const job = jobIn(me.partition);
        await me.step({ jobs: [job] });
        await me.step({ finished: [job], jobs: [{ ...job, version: 2 }] });
        assert.equal((await me.job(job.jobId))?.state, 'SCHEDULED');
      });
    });

    describe('a step', () => {
      const fullOf = (me: Owner) => {
        const job = jobIn(me.partition);
        return {
          jobs: [job],
          addTimers: [timerIn(me.partition, { jobId: job.jobId })],
          runs: [decided(runId(job.jobId), job.jobId)],
          seenCommands: [{ tenant: 'default', jobId: job.jobId, commandId: 'c-1' }],
          outbox: [batch(me.partition, 1)],
          outboxSeq: 1,
        };
      };
      const assertNothingApplied = async (me: Owner, step: ReturnType<typeof fullOf>) => {
        const [job] = step.jobs as [Job];
        const known = await store.read([job], step.seenCommands);
        assert.equal(known.jobs.size + known.seen.size, 0);
        assert.deepEqual(await me.timers(), []);
        assert.equal((await store.runs([runId(job.jobId)])).size, 0);
        assert.deepEqual((await store.take(me.partition, 'observer')).outbox, []);
      };

      test('of an owner that was replaced is refused and changes nothing', async () => {
        const zombie = await owner();
        await store.take(zombie.partition, 'timer-2');
        const step = fullOf(zombie);
        assert.equal(await zombie.step(step), false);
        await assertNothingApplied(zombie, step);
      });

      for (const intake of ['commands', 'retry', 'completed'] as const) {
        test(`that knows another offset of the ${intake} is refused and changes nothing`, async () => {
          const me = await owner();
          assert.ok(await me.step({ nextOffsets: { commands: 10n, retry: 20n, completed: 30n } }));
          me.ownership = { ...me.ownership, offsets: { ...me.ownership.offsets, [intake]: 9n } };
          const step = fullOf(me);
          assert.equal(await me.step(step), false);
          await assertNothingApplied(me, step);
        });
      }

      test('that is sent a second time is refused when it moved an offset', async () => {
        const me = await owner();
        const step = stepOf(me.ownership, { nextOffsets: { commands: 1n, retry: 0n, completed: 0n } });
        assert.deepEqual(await store.step([step]), new Set([me.partition]));
        assert.deepEqual(await store.step([step]), new Set());
      });

      test('of several partitions is applied to those that accept it', async () => {
        const [zombie, me, other] = [await owner(), await owner(), await owner()];
        await store.take(zombie.partition, 'timer-2');
        const steps = [other, zombie, me].map((one) => ({ one, step: fullOf(one) }));
        const accepted = await store.step(steps.map(({ one, step }) => stepOf(one.ownership, step)));
        assert.deepEqual(
          [...accepted].sort((a, b) => a - b),
          [me.partition, other.partition],
        );
        for (const { one, step } of steps) {
          if (one === zombie) await assertNothingApplied(one, step);
          else assert.equal((await one.timers()).length, 1);
        }
      });

      test('of a partition that does not exist is refused', async () => {
        const nowhere = {
          partition: 9_999,
          epoch: 0,
          offsets: { commands: 0n, retry: 0n, completed: 0n },
          outboxSeq: 0,
        };
        assert.deepEqual(await store.step([stepOf(nowhere)]), new Set());
      });

      test('without partitions accepts none', async () => {
        assert.deepEqual(await store.step([]), new Set());
      });

      test('whose data cannot be stored throws bad_data and changes nothing', async () => {
        const me = await owner();
        const step = fullOf(me);
        const [job] = step.jobs as [Job];
        const seenCommands = [{ tenant: 'default', jobId: job.jobId, commandId: 'c\u0000' }];
        await assert.rejects(me.step({ ...step, seenCommands }), isBadData);
        await assert.rejects(me.step({ ...step, addTimers: [timerIn(me.partition, { runId: 'no-uuid' })] }), isBadData);
        assert.deepEqual(await me.timers(), []);
        assert.equal(await me.job(job.jobId), undefined);
        assert.ok(await me.step(), 'the fence is as it was');
      });
    });

    describe('data that cannot be stored throw bad_data and change nothing', () => {
      const NUL = 'a\u0000b';
      const HALF = 'a\ud83db';
      const id = runId('unstorable');
      type Make = (me: Owner) => Partial<PartitionStep>;
      const outcome = (fields: Partial<Outcome>): Make => {
        return () => ({ runs: [decided(id, 'unstorable', fields)] });
      };
      const steps: Record<string, Make> = {
        'a job of a tenant with a NUL': ({ partition }) => ({ jobs: [jobIn(partition, { tenant: NUL })] }),
        'a job with half a character in its id': ({ partition }) => ({ jobs: [jobIn(partition, { jobId: HALF })] }),
        'a job whose generation is beyond int4': ({ partition }) => ({
          jobs: [jobIn(partition, { cancelGen: 2 ** 31 })],
        }),
        'a job whose count is beyond int8': ({ partition }) => ({ jobs: [jobIn(partition, { runCount: 1e300 })] }),
        'a job at no whole millisecond': ({ partition }) => ({ jobs: [jobIn(partition, { nextAt: 0.5 })] }),
        'a job at no time': ({ partition }) => ({ jobs: [jobIn(partition, { anchorAt: NaN })] }),
        'a one-shot that fired, with a NUL in its id': () => ({ finished: [{ tenant: 'default', jobId: NUL }] }),
        'a timer beyond all time': ({ partition }) => ({ addTimers: [timerIn(partition, { fireAt: 2 ** 60 })] }),
        'a timer whose due record has a NUL': ({ partition }) => ({ addTimers: [timerIn(partition, { due: NUL })] }),
        'a timer of no run': ({ partition }) => ({ addTimers: [timerIn(partition, { runId: 'no-uuid' })] }),
        'a timer that goes, of no run': ({ partition }) => ({ removeTimers: [{ partition, fireAt: T0, runId: 'x' }] }),
        'a run whose attempt is beyond int4': outcome({ attempt: 2 ** 31 }),
        'a run whose cause has a NUL': outcome({ cause: NUL }),
        'a run whose handler has half a character': outcome({ handler: HALF }),
        'a run that repeats no run': outcome({ replayOf: 'no-uuid' }),
        'a run that ended at no time': outcome({ finishedAt: Infinity }),
        'a replay of no run': () => ({ replays: [{ original: 'x', replay: id }] }),
        'a subscription with a NUL in its filter': () => ({
          subscriptions: [{ tenant: 'default', jobId: 'unstorable', event: 'e', filter: NUL }],
        }),
        'an arrival of no run': () => ({
          arrivals: [
            { tenant: 'default', jobId: 'j', upstream: 'u', runId: 'x', anchorAt: T0, setId: null, superseded: false },
          ],
        }),
        'an edge from a job with a NUL': () => ({
          edges: [{ tenant: 'default', jobId: 'unstorable', upstreams: [{ jobId: NUL, when: 'success' }] }],
        }),
      };
      for (const [what, make] of Object.entries(steps)) {
        test(what, async () => {
          const me = await owner();
          const step = { ...make(me), outbox: [batch(me.partition, 1)], outboxSeq: 1 };
          await assert.rejects(me.step(step), isBadData);
          assert.deepEqual((await store.take(me.partition, 'observer')).outbox, []);
        });
      }

      const tenant = NUL;
      const reads: Record<string, () => Promise<unknown>> = {
        'reading a job of a tenant with a NUL': () => store.read([{ tenant, jobId: 'j' }], []),
        'reading a job with half a character in its id': () => store.read([{ tenant: 'default', jobId: HALF }], []),
        'asking for a command with a NUL': () => store.read([], [{ tenant: 'default', jobId: 'j', commandId: NUL }]),
        'asking for the retries of a job with a NUL': () => store.retryTimers([{ tenant, jobId: 'j' }]),
        'asking for the downstreams of a job with a NUL': () => store.downstreams([{ tenant, jobId: 'j' }]),
        'asking who listens to an event with a NUL': () => store.subscribers([{ tenant, event: 'e', after: '' }], 1),
        'asking for arrivals of no run': () => store.arrivals([{ tenant: 'default', jobId: 'j', runId: 'x' }]),
        'reading a run by no id': () => store.runs(['no-uuid']),
      };
      for (const [what, read] of Object.entries(reads)) test(what, () => assert.rejects(read(), isBadData));
    });

    describe('taking a partition', () => {
      test('raises its epoch, and keeps offsets and sequence of the owner before', async () => {
        const me = await owner();
        const nextOffsets = { commands: 2n ** 60n, retry: 1n, completed: 2n };
        await me.step({ nextOffsets, outboxSeq: 12 });
        const { ownership } = await store.take(me.partition, 'timer-2');
        assert.deepEqual(ownership, {
          partition: me.partition,
          epoch: me.ownership.epoch + 1,
          offsets: nextOffsets,
          outboxSeq: 12,
        });
      });

      test('answers what was not produced, in order and byte for byte', async () => {
        const me = await owner();
        const body = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256));
        const batches = [
          batch(me.partition, 10),
          { ...batch(me.partition, 9), lane: 'exact' as const, body },
          batch(me.partition, 11, ''),
        ];
        await me.step({ outbox: batches.slice(0, 2), outboxSeq: 10 });
        await me.step({ outbox: batches.slice(2), outboxSeq: 11 });
        const { outbox } = await store.take(me.partition, 'timer-2');
        assert.deepEqual(outbox, [batches[1], batches[0], batches[2]]);
      });

      test('no longer answers batches that were reported as produced', async () => {
        const me = await owner();
        await me.step({ outbox: [1, 2, 3].map((seq) => batch(me.partition, seq)), outboxSeq: 3 });
        await me.step({ producedSeqs: [1, 3, 99], outbox: [batch(me.partition, 4)], outboxSeq: 4 });
        const { outbox } = await store.take(me.partition, 'timer-2');
        assert.deepEqual(
          outbox.map(({ seq }) => seq),
          [2, 4],
        );
      });

      test('at the same time by many gives each an epoch of its own, and only the last one may step', async () => {
        const { partition } = await owner();
        const taken = await Promise.all(
          Array.from({ length: 8 }, (_, index) => Owner.take(store, partition, `timer-${index}`)),
        );
        const epochs = taken.map(({ ownership }) => ownership.epoch);
        assert.equal(new Set(epochs).size, 8);
        const accepted = await Promise.all(taken.map((one) => one.step()));
        assert.deepEqual(
          accepted,
          epochs.map((epoch) => epoch === Math.max(...epochs)),
        );
      });

      test('that does not exist throws unknown_partition', async () => {
        await assert.rejects(store.take(9_999, 'timer-1'), { code: 'unknown_partition' });
      });
    });

    timerStoreRowsConformance(() => store, owner);
    timerStoreChainsConformance(() => store, owner);
    timerStoreEnqueuedConformance(() => harness, PARTITIONS);
    timerStoreWaitingConformance(() => harness, owner);
    timerStoreSubscriptionsConformance(() => harness);
    timerStoreAuditConformance(() => harness);
    timerStoreRejectedConformance(() => harness);
  });
}

function isBadData(error: unknown): boolean {
  return error instanceof BelfryError && error.code === 'bad_data' && !error.retryable;
}
