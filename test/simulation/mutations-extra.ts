/** Mutations of what not every seed asks for: limits of tenants, enqueued commands, fan-ins of three. */
import type { Limit, RunStore } from '../../services/core/ports/run-store.ts';
import type { Arrival } from '../../services/core/ports/timer-store.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { Mutation } from './mutation.ts';
import { override } from './override.ts';

export const EXTRA_MUTATIONS: readonly Mutation[] = [
  {
    name: 'tenant-places',
    what: 'a tenant may have as many runs at one time as it likes',
    breaks: 'I9',
    runStore: (store) => withoutLimits(store, ({ name }) => name.startsWith('tenant/')),
  },
  {
    name: 'handler-places',
    what: 'a handler may have as many runs at one time as it likes',
    breaks: 'I9',
    runStore: (store) => withoutLimits(store, ({ name }) => name.startsWith('handler/')),
  },
  {
    name: 'rate',
    what: 'a tenant may begin as many runs in a second as it likes',
    breaks: 'I9',
    runStore: (store) => withoutLimits(store, ({ perSecond }) => perSecond === true),
  },
  {
    name: 'enqueued-early',
    what: 'enqueued commands go when they are read, whatever becomes of the step',
    breaks: 'I12',
    timerStore: (store, { db }) =>
      override(store, {
        enqueued: async (...asked) => {
          const read = await store.enqueued(...asked);
          db.enqueued = db.enqueued.filter((row) => !read.includes(row));
          return read;
        },
      }),
  },
  {
    name: 'enqueued-kept',
    what: 'a step leaves the enqueued commands there that it applied',
    breaks: 'I6',
    timerStore: (store) =>
      override(store, { step: (steps) => store.step(steps.map((step) => ({ ...step, enqueued: [] }))) }),
  },
  {
    name: 'enqueued-within',
    what: 'what a handler enqueues in its transaction is there at once',
    breaks: 'I12',
    runStore: (store) =>
      override(store, {
        transaction: (lease, timeoutMs, work) =>
          store.transaction(lease, timeoutMs, (transaction) =>
            work({ ...transaction, enqueue: (command) => store.enqueue(command) }),
          ),
      }),
  },
  {
    name: 'second-arrival',
    what: 'of ends that wait for others, all but the last of a job are forgotten',
    breaks: 'I11',
    timerStore: (store) => override(store, { arrivals: async (ended) => lastOfJob(await store.arrivals(ended)) }),
  },
];

function withoutLimits(store: RunStore, isOff: (limit: Limit) => boolean): RunStore {
  return override(store, {
    admit: (lease, admissions) =>
      store.admit(
        lease,
        admissions.map((each) => ({ ...each, limits: each.limits.filter((limit) => !isOff(limit)) })),
      ),
  });
}

/** A fan-in of two has no other one that waits. */
function lastOfJob(arrivals: readonly Arrival[]): Arrival[] {
  const waiting = arrivals.filter(({ setId, superseded }) => setId === null && !superseded);
  const last = new Map(waiting.map((each) => [jobKey(each.tenant, each.jobId), each]));
  return arrivals.filter((each) => !waiting.includes(each) || last.get(jobKey(each.tenant, each.jobId)) === each);
}
