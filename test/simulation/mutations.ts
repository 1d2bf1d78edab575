/**
 * Proof of detection: each mutation switches off one of the mechanisms that keep the promises, by a wrapper around a
 * port, so that the services stay as they are. The simulation must notice every one of them.
 */
import { TRACKED_HEADER } from '../../services/core/events.ts';
import type { Broker, FetchedBatch, GroupOffset, TransactionalProducer } from '../../services/core/ports/broker.ts';
import type { Lease, RunStore, Settlement } from '../../services/core/ports/run-store.ts';
import type { Known, PartitionStep } from '../../services/core/ports/timer-store.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../services/core/records.ts';
import type { Surroundings } from './node.ts';
import { EXTRA_MUTATIONS } from './mutations-extra.ts';
import type { Mutation } from './mutation.ts';
import { override } from './override.ts';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'epoch',
    what: 'a step is applied whoever owns the partition',
    breaks: 'I6',
    timerStore: (store, { db }) =>
      override(store, {
        step: (steps) =>
          store.step(steps.map((step) => ({ ...step, epoch: db.owners.get(step.partition)?.epoch ?? 0 }))),
      }),
  },
  {
    name: 'fence',
    what: 'a step is applied whoever owns the partition, and wherever its topics were read to',
    breaks: 'I6',
    timerStore: (store, world) =>
      override(store, { step: (steps) => store.step(steps.map((step) => unfenced(step, world))) }),
  },
  {
    name: 'offsets',
    what: 'a batch is taken in wherever it begins',
    breaks: 'I6',
    broker: (client) => overBatches(client, (batch) => ({ ...batch, fetchedOffset: 0n })),
  },
  {
    name: 'token',
    what: 'the end of a run is written whoever has it',
    breaks: 'I4',
    runStore: (store, world) =>
      override(store, {
        settle: async (lease, settlements) => {
          const settled = settlements.map((each) =>
            store.settle(holderOf(each, lease, world), [untokened(each, world)]),
          );
          return (await Promise.all(settled)).flat();
        },
      }),
  },
  {
    name: 'dead-mark',
    what: 'a lease that ran out is taken over without being marked dead, and may be renewed afterwards',
    breaks: 'I4',
    runStore: withoutDeadMark,
  },
  {
    name: 'places',
    what: 'a run that waits for a place under its limit is claimed all the same',
    breaks: 'I9',
    runStore: (store) => override(store, { admit: async (_, admissions) => admissions.map(() => 'placed') }),
  },
  {
    name: 'wake',
    what: 'nobody who waits for a place is woken',
    breaks: 'I6',
    runStore: (store) => override(store, { leave: async () => 0, wakeWaiting: async () => 0 }),
  },
  {
    name: 'claim',
    what: 'a claim starts a run although it has a row',
    breaks: 'I4',
    runStore: (store, { db }) =>
      override(store, {
        claim: (lease, requests) => {
          for (const { due } of requests) {
            const status = db.runs.get(due.runId)?.status;
            if (status !== 'RETRYING' && status !== 'ENQUEUED') db.runs.delete(due.runId);
          }
          return store.claim(lease, requests);
        },
      }),
  },
  {
    name: 'outbox',
    what: 'a new owner does not produce what the former one left',
    breaks: 'I6',
    timerStore: (store, { db }) =>
      override(store, {
        take: async (partition, instance) => {
          const taken = await store.take(partition, instance);
          db.outbox.set(partition, []);
          return { ...taken, outbox: [] };
        },
      }),
  },
  {
    name: 'cancel-gen',
    what: 'executors do not see that a job was cancelled',
    breaks: 'I8',
    runStore: (store) => override(store, { cancelled: async (runs) => runs.map(() => false) }),
  },
  {
    name: 'active-set',
    what: 'a completion acts although its run is not active',
    breaks: 'I4',
    broker: (client, world) =>
      overBatches(client, (batch) => ({
        ...batch,
        records: batch.records.map((record) => actingCompletion(record, world)),
      })),
  },
  {
    name: 'parked',
    what: 'runs that no offset holds are not written down',
    breaks: 'I6',
    runStore: (store) => override(store, { park: () => Promise.resolve() }),
  },
  {
    name: 'watermark',
    what: 'offsets are committed up to the end, whatever is still under way',
    breaks: 'I6',
    broker: (client, { broker }) =>
      overTransactions(client, (producer) => ({
        transact: (records, offsets) =>
          producer.transact(
            records,
            offsets.map((each) =>
              each.groupId.startsWith('belfry-executor')
                ? { ...each, offset: broker.logOf(each)?.end ?? each.offset }
                : each,
            ),
          ),
      })),
  },
  {
    name: 'seen',
    what: 'triggers and replays that were applied are forgotten',
    breaks: 'I2',
    timerStore: (store) =>
      override(store, { read: async (jobs) => ({ ...(await store.read(jobs, [])), seen: new Set() }) }),
  },
  {
    name: 'arrivals',
    what: 'ends of upstream runs that wait for others are forgotten',
    breaks: 'I11',
    timerStore: (store) => override(store, { arrivals: async () => [] }),
  },
  {
    name: 'downstreams',
    what: 'a step does not tell downstreams of ends that executors settled',
    breaks: 'I11',
    timerStore: (store) =>
      override(store, { read: async (...asked) => withoutDownstreams(await store.read(...asked)) }),
  },
  {
    name: 'subscribers',
    what: 'who listens is read as it was a second ago',
    breaks: 'I10',
    timerStore: (store, { db }) => {
      let known = { at: db.now(), subscriptions: new Map(db.subscriptions) };
      return override(store, {
        subscribers: async (events, limit) => {
          const { subscriptions } = known;
          if (db.now() - known.at >= 1_000) known = { at: db.now(), subscriptions: new Map(db.subscriptions) };
          const found = await store.subscribers(events, limit);
          return found.map(({ subscribers, isAll }, index) => {
            const keyOf = (jobId: string): string => `${events[index]!.tenant}/${jobId}`;
            return { subscribers: subscribers.filter(({ jobId }) => subscriptions.has(keyOf(jobId))), isAll };
          });
        },
      });
    },
  },
  {
    name: 'source-position',
    what: 'the position in a source moves before its records are events',
    breaks: 'I10',
    broker: (client) =>
      overTransactions(client, (producer) => ({
        transact: async (records, offsets) => {
          if (!offsets.some(isOfSources)) return producer.transact(records, offsets);
          await producer.transact([], offsets);
          await producer.transact(records, []);
        },
      })),
  },
  {
    name: 'source-ids',
    what: 'a record of a source that is passed on again is another event',
    breaks: 'I10',
    broker: (client, world) =>
      overTransactions(client, (producer) => ({
        transact: (records, offsets) =>
          producer.transact(
            offsets.some(isOfSources) ? records.map((record) => newEventOnRepeat(record, world)) : records,
            offsets,
          ),
      })),
  },
  {
    name: 'exact-position',
    what: 'a new owner of the exact lane does not ask how far the former one came',
    breaks: 'I4',
    broker: (client) => override(client, { committed: async () => undefined }),
  },
  {
    name: 'terminal',
    what: 'who finds a run at its end does not publish that end again',
    breaks: 'I7',
    runStore: withoutRepublishing,
  },
  ...EXTRA_MUTATIONS,
];

function unfenced(step: PartitionStep, { db }: Surroundings): PartitionStep {
  const owner = db.owners.get(step.partition)!;
  return { ...step, epoch: owner.epoch, offsets: owner.offsets };
}

function untokened(settlement: Settlement, { db }: Surroundings): Settlement {
  return { ...settlement, token: db.runs.get(settlement.runId)?.token ?? settlement.token };
}

function holderOf({ runId }: Settlement, lease: Lease, { db }: Surroundings): Lease {
  return { ...lease, executor: db.runs.get(runId)?.executor ?? lease.executor };
}

/** For the moment of a take-over the lease counts as dead, and afterwards as if nothing had been. */
function withoutDeadMark(store: RunStore, { db }: Surroundings): RunStore {
  const marked = async <T>(executors: readonly (string | null)[], work: () => Promise<T>): Promise<T> => {
    const leases = executors.flatMap((executor) => db.leases.get(executor ?? '') ?? []).filter(({ dead }) => !dead);
    for (const lease of leases) lease.dead = true;
    const answer = work();
    for (const lease of leases) lease.dead = false;
    return answer;
  };
  const ranOut = (): string[] =>
    [...db.leases].filter(([, { expiresAt }]) => expiresAt <= db.now()).map(([executor]) => executor);
  return override(store, {
    markDead: async (executors) =>
      executors.flatMap((executor) => {
        const entry = db.leases.get(executor);
        return entry === undefined || entry.dead || entry.expiresAt > db.now()
          ? []
          : [{ executor, transactionalId: entry.lease.transactionalId }];
      }),
    reclaim: (lease, requests) => {
      const holders = requests
        .filter(({ lostAttempt }) => lostAttempt)
        .map(({ due }) => db.runs.get(due.runId)?.executor ?? null);
      return marked(holders, () => store.reclaim(lease, requests));
    },
    releaseParkedOfDead: () => marked(ranOut(), () => store.releaseParkedOfDead()),
  });
}

/** Terminal rows look as if a row of `parked` stood for them: the record is let go. */
function withoutRepublishing(store: RunStore): RunStore {
  const hidden = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);
  return override(store, {
    claim: async (lease, requests) =>
      (await store.claim(lease, requests)).map((claim) =>
        hidden.has(claim.row.status)
          ? { ...claim, row: { ...claim.row, status: 'RUNNING', attempt: Number.MAX_SAFE_INTEGER } }
          : claim,
      ),
  });
}

/** Tells of a run that is active instead of its own, when that is none. */
function actingCompletion(record: ConsumedRecord, { db }: Surroundings): ConsumedRecord {
  const { headers, key } = record;
  if (headers[TRACKED_HEADER] === undefined) return record;
  const active = db.jobs.get(String(key))?.active ?? [];
  const [first] = active;
  if (first === undefined || active.some(({ runId }) => runId === headers.ce_subject)) return record;
  return { ...record, headers: { ...headers, ce_subject: first.runId } };
}

function overBatches(client: Broker, change: (batch: FetchedBatch) => FetchedBatch): Broker {
  return override(client, {
    group: (options, listener) =>
      client.group(options, override(listener, { onBatch: (batch) => listener.onBatch(change(batch)) })),
  });
}

function overTransactions(
  client: Broker,
  methods: (producer: TransactionalProducer) => Partial<TransactionalProducer>,
): Broker {
  return override(client, {
    transactional: async (id) => {
      const producer = await client.transactional(id);
      return override(producer, methods(producer));
    },
  });
}

function isOfSources({ groupId }: GroupOffset): boolean {
  return groupId.startsWith('belfry-events');
}

function newEventOnRepeat(record: OutgoingRecord, { broker, db }: Surroundings): OutgoingRecord {
  const { records } = broker.logOf(record)!.read(0n, 'read_uncommitted', Number.MAX_SAFE_INTEGER);
  if (!records.some(({ value }) => value!.equals(record.value!))) return record;
  const emit = JSON.parse(String(record.value)) as { eventId: string };
  return { ...record, value: Buffer.from(JSON.stringify({ ...emit, eventId: `${emit.eventId}-${db.now()}` })) };
}

function withoutDownstreams(known: Known): Known {
  const jobs = [...known.jobs].map(([key, { downstreams: _none, ...job }]) => [key, job] as const);
  return { ...known, jobs: new Map(jobs) };
}
