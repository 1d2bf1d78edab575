/** What every timer store does with jobs that listen to events. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Subscription } from '../../services/core/ports/timer-store.ts';
import { newJobId, Owner, stepOf, type TimerStoreHarness } from './timer-fixtures.ts';

export function timerStoreSubscriptionsConformance(harness: () => TimerStoreHarness): void {
  let events = 0;
  const newEvent = (): string => `event-${++events}`;
  const listens = (jobId: string, event: string | null, filter: string | null = null): Subscription => {
    return { tenant: 'default', jobId, event, filter };
  };
  const jobsOf = async (event: string, after = '', limit = 100): Promise<[string[], boolean]> => {
    const [found] = await harness().store.subscribers([{ tenant: 'default', event, after }], limit);
    return [found!.subscribers.map(({ jobId }) => jobId), found!.isAll];
  };

  describe('subscriptions', () => {
    test('are found by event, with their filters, in the order of job ids', async () => {
      const me = await Owner.take(harness().store, 0);
      const [event, other] = [newEvent(), newEvent()];
      const names = ['b', 'B', 'a-1', 'a'].map((name) => `${name}.${newJobId()}`);
      const subscriptions = names.map((jobId) => listens(jobId, event, jobId.startsWith('B') ? 'event.x == 1' : null));
      await me.step({ subscriptions: [...subscriptions, listens(newJobId(), other)] });
      const [found] = await harness().store.subscribers([{ tenant: 'default', event, after: '' }], 100);
      assert.deepEqual(found, {
        subscribers: names
          .toSorted()
          .map((jobId) => ({ jobId, filter: jobId.startsWith('B') ? 'event.x == 1' : null })),
        isAll: true,
      });
    });

    test('are counted by event, up to a bound, in the order of the questions', async () => {
      const me = await Owner.take(harness().store, 0);
      const [event, other] = [newEvent(), newEvent()];
      await me.step({ subscriptions: [1, 2, 3].map(() => listens(newJobId(), event)) });
      await me.step({ subscriptions: [listens(newJobId(), other)] });
      const asked = [other, 'of nobody', event].map((name) => ({ tenant: 'default', event: name }));
      assert.deepEqual(await harness().store.countListeners(asked, 100), [1, 0, 3]);
      assert.deepEqual(await harness().store.countListeners(asked, 2), [1, 0, 2]);
      assert.deepEqual(await harness().store.countListeners([{ tenant: 'another', event }], 100), [0]);
    });

    test('come so many at a time, and say whether there are more', async () => {
      const me = await Owner.take(harness().store, 0);
      const event = newEvent();
      const names = ['1', '2', '3'].map((name) => `${name}.${newJobId()}`);
      await me.step({ subscriptions: names.map((jobId) => listens(jobId, event)) });
      assert.deepEqual(await jobsOf(event, '', 2), [names.slice(0, 2), false]);
      assert.deepEqual(await jobsOf(event, names[1], 2), [names.slice(2), true]);
      assert.deepEqual(await jobsOf(event, '', 3), [names, true]);
    });

    test('of several events, and parts of one, are answered in the order of the questions', async () => {
      const me = await Owner.take(harness().store, 0);
      const [one, two] = [newEvent(), newEvent()];
      const [a, b] = [`a.${newJobId()}`, `b.${newJobId()}`];
      await me.step({ subscriptions: [listens(a, one), listens(b, two)] });
      const questions = [
        { tenant: 'default', event: two, after: '' },
        { tenant: 'other', event: one, after: '' },
        { tenant: 'default', event: one, after: '' },
        { tenant: 'default', event: one, after: a },
      ];
      const answers = await harness().store.subscribers(questions, 10);
      assert.deepEqual(
        answers.map(({ subscribers }) => subscribers.map(({ jobId }) => jobId)),
        [[b], [], [a], []],
      );
    });

    test('are replaced with their job, and go with it', async () => {
      const me = await Owner.take(harness().store, 0);
      const [one, two] = [newEvent(), newEvent()];
      const jobId = newJobId();
      await me.step({ subscriptions: [listens(jobId, one)] });
      await me.step({ subscriptions: [listens(jobId, two, 'true')] });
      assert.deepEqual(
        [await jobsOf(one), await jobsOf(two)],
        [
          [[], true],
          [[jobId], true],
        ],
      );
      await me.step({ subscriptions: [listens(jobId, null)] });
      assert.deepEqual(await jobsOf(two), [[], true]);
    });

    test('of a refused step do not change', async () => {
      const { store } = harness();
      const former = await Owner.take(store, 1);
      const event = newEvent();
      const kept = newJobId();
      await former.step({ subscriptions: [listens(kept, event)] });
      const me = await Owner.take(store, 0);
      await Owner.take(store, 1, 'timer-2');
      const mine = newJobId();
      const steps = [
        stepOf(former.ownership, { subscriptions: [listens(kept, null), listens(newJobId(), event)] }),
        stepOf(me.ownership, { subscriptions: [listens(mine, event)] }),
      ];
      assert.deepEqual(await store.step(steps), new Set([0]));
      assert.deepEqual((await jobsOf(event))[0].toSorted(), [kept, mine].toSorted());
    });
  });
}
