import assert from 'node:assert/strict';
import { it } from 'node:test';

import { MemoryBroker } from '../../services/adapters/memory/broker.ts';
import { brokerConformance } from '../conformance/broker.ts';
import { record, Recorder, unique, until } from '../conformance/broker-support.ts';
import type { BrokerHarness } from '../conformance/broker-support.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const SESSION_MS = 6_000;

async function makeHarness(): Promise<BrokerHarness> {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock, latencyMs: 1 });
  clock.start();
  return {
    sessionTimeoutMs: SESSION_MS,
    async createTopic(partitions) {
      const topic = unique('topic');
      broker.createTopic(topic, partitions);
      return topic;
    },
    client: () => broker.client(),
    async mortalMember(options) {
      const client = broker.client();
      const recorder = new Recorder();
      await client.group(options, recorder).start();
      await until('the mortal member has joined', () => recorder.assignment.length > 0);
      return { assignment: () => recorder.assignment, kill: () => client.kill() };
    },
    async abandonTransaction(transactionalId, records) {
      const epoch = broker.transactions.init(transactionalId);
      broker.append(records, broker.transactions.begin(transactionalId, epoch));
    },
    close: async () => clock.stop(),
  };
}

brokerConformance('the memory broker', makeHarness);

it('a member frozen past its session loses its partitions, learns it when it thaws, and joins again', async (t) => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock, latencyMs: 1 });
  broker.createTopic('topic', 2);
  clock.start();
  t.after(() => clock.stop());
  const members = ['one', 'two'].map((memberName) => {
    const client = broker.client(memberName);
    const recorder = new Recorder(() => 0n);
    const options = {
      groupId: 'group',
      topics: ['topic'],
      memberName,
      copartitioned: false,
      sessionTimeoutMs: SESSION_MS,
    };
    const group = client.group({ ...options, isolation: 'read_committed' }, recorder);
    return { client, recorder, group };
  });
  const [one, two] = members as [(typeof members)[0], (typeof members)[0]];
  await one.group.start();
  await two.group.start();
  await until('each has one', () => members.every(({ recorder }) => recorder.assignment.length === 1));
  one.client.freeze();
  await until('the other has both', () => two.recorder.assignment.length === 2);
  assert.equal(one.recorder.assignment.length, 1);
  one.client.thaw();
  await until('each has one again', () => two.recorder.assignment.length === 1 && one.recorder.assignments.length > 2);
});

it('faults make a request fail before or after it took effect', async (t) => {
  const clock = new VirtualClock();
  let when: 'before' | 'after' | 'never' = 'never';
  const fail = (now: typeof when) => () => {
    if (when === now) throw new Error(`lost ${now}`);
  };
  const broker = new MemoryBroker({ clock, faults: { before: fail('before'), after: fail('after') } });
  broker.createTopic('topic', 1);
  clock.start();
  t.after(() => clock.stop());
  const client = broker.client();
  const producer = await client.producer();
  when = 'before';
  await assert.rejects(producer.send([record('topic', 0, 'a')]), /lost before/);
  when = 'after';
  await assert.rejects(producer.send([record('topic', 0, 'b')]), /lost after/);
  when = 'never';
  assert.equal((await client.logRange('topic')).get(0)?.end, 1n);
});

it('a process that dies between its records and its commit leaves the transaction open until the broker ends it', async (t) => {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock, latencyMs: 1 });
  broker.createTopic('topic', 1);
  clock.start();
  t.after(() => clock.stop());
  const dying = broker.client();
  const producer = await dying.transactional('id');
  await producer.init();
  void producer.transact([record('topic', 0, 'a')], []);
  await until('the record stands', () => (broker.logOf({ topic: 'topic', partition: 0 })?.end ?? 0n) === 1n);
  dying.kill();
  await until('the marker stands', () => broker.logOf({ topic: 'topic', partition: 0 })?.end === 2n);
  assert.deepEqual(broker.logOf({ topic: 'topic', partition: 0 })?.read(0n, 'read_committed', 10).records, []);
});
