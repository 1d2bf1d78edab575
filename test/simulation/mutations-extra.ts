/** Mutations of what not every seed asks for: limits of tenants, enqueued commands, fan-ins of three, webhooks. */
import type { Limit, RunStore } from '../../services/core/ports/run-store.ts';
import type { Arrival, PartitionStep } from '../../services/core/ports/timer-store.ts';
import type { ListeningWebhook } from '../../services/core/ports/webhooks.ts';
import type { DueRecord, OutgoingRecord } from '../../services/core/records.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { Mutation } from './mutation.ts';
import type { Surroundings } from './node.ts';
import { override } from './override.ts';
import { narrowed } from './skew.ts';

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
    name: 'job-count',
    what: 'jobs that a tenant has are not counted',
    breaks: 'I14',
    tenants: (tenants) => override(tenants, { countJobs: async () => new Map() }),
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
  {
    name: 'frozen-due',
    what: 'a one-shot waits with the generation under which it was scheduled, whatever is cancelled meanwhile',
    breaks: 'I8',
    timerStore: (store) => override(store, { step: (steps) => store.step(steps.map(asScheduled)) }),
  },
  {
    name: 'passed',
    what: 'what passed in a pause is forgotten',
    breaks: 'I1',
    timerStore: (store) => override(store, { step: (steps) => store.step(steps.map(withoutPaused)) }),
  },
  {
    name: 'notices',
    what: 'a notice to a webhook that is produced again is another delivery',
    breaks: 'I13',
    broker: (client, world) =>
      override(client, {
        producer: async () => {
          const producer = await client.producer();
          return override(producer, {
            send: (records) => producer.send(records.map((record) => newNoticeOnRepeat(record, world))),
          });
        },
      }),
  },
  {
    name: 'carry',
    what: 'fields of records that this release does not know are dropped where they are read',
    breaks: 'I16',
    broker: (client) =>
      override(client, {
        group: (options, listener) => {
          const onBatch: typeof listener.onBatch = (batch) =>
            listener.onBatch({ ...batch, records: batch.records.map(narrowed) });
          return client.group(options, override(listener, { onBatch }));
        },
      }),
  },
  {
    name: 'waiting',
    what: 'a new owner does not know which commands wait for jobs',
    breaks: 'I6',
    timerStore: (store) =>
      override(store, {
        take: async (partition, instance) => ({ ...(await store.take(partition, instance)), waiting: [] }),
      }),
  },
  {
    name: 'webhooks-known',
    what: 'who hears of outcomes is read as it was 6 s ago',
    breaks: 'I13',
    webhooks: (webhooks, { db }) => {
      const states: { at: number; listening: ListeningWebhook[] }[] = [];
      return override(webhooks, {
        listening: async () => {
          states.push({ at: db.now(), listening: await webhooks.listening() });
          return states.findLast(({ at }) => at <= db.now() - 6_000)?.listening ?? [];
        },
      });
    },
  },
  {
    name: 'budget',
    what: 'failures of a batch are not counted, so it is never tried in halves',
    breaks: 'I6',
    failurePolicy: (policy) =>
      override(policy, { failed: (partition, failure, inputs) => policy.failed(partition, failure, inputs, true) }),
  },
  {
    name: 'innocent',
    what: 'of a batch that failed, the first input is to blame',
    breaks: 'I14',
    failurePolicy: (policy) =>
      override(policy, {
        failed: (partition, failure, inputs) => policy.failed(partition, failure, inputs.slice(0, 1), false),
      }),
  },
  {
    name: 'patience',
    what: 'of three failures of a batch one counts',
    breaks: 'I17',
    failurePolicy: (policy) => {
      let failures = 0;
      return override(policy, {
        failed: (partition, failure, inputs, isShared) =>
          policy.failed(partition, failure, inputs, isShared || ++failures % 3 !== 0),
      });
    },
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

function asScheduled(step: PartitionStep): PartitionStep {
  const frozen = (due: string): string => JSON.stringify({ ...(JSON.parse(due) as DueRecord), cancelGen: 0 });
  const addTimers = step.addTimers.map((timer) =>
    timer.kind === 'once' ? { ...timer, due: frozen(timer.due) } : timer,
  );
  return { ...step, addTimers };
}

function withoutPaused(step: PartitionStep): PartitionStep {
  return { ...step, runs: step.runs.filter(({ outcome }) => outcome.reason !== 'paused') };
}

function newNoticeOnRepeat(record: OutgoingRecord, { broker, db }: Surroundings): OutgoingRecord {
  const notice = JSON.parse(String(record.value)) as { type?: string; commandId: string };
  if (notice.type !== 'notify') return record;
  const { records } = broker.logOf(record)!.read(0n, 'read_uncommitted', Number.MAX_SAFE_INTEGER);
  if (!records.some(({ value }) => value!.equals(record.value!))) return record;
  return { ...record, value: Buffer.from(JSON.stringify({ ...notice, commandId: `${notice.commandId}-${db.now()}` })) };
}

/** A fan-in of two has no other one that waits. */
function lastOfJob(arrivals: readonly Arrival[]): Arrival[] {
  const waiting = arrivals.filter(({ setId, superseded }) => setId === null && !superseded);
  const last = new Map(waiting.map((each) => [jobKey(each.tenant, each.jobId), each]));
  return arrivals.filter((each) => !waiting.includes(each) || last.get(jobKey(each.tenant, each.jobId)) === each);
}
