/** Kafka with an authorizer: what a service may not do is said, tried again, and costs no run. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Admin } from 'kafkajs';
import { startKafka, type EmbeddedKafka } from '../../infra/embedded/kafka.ts';
import { choosePorts } from '../../infra/embedded/ports.ts';
import { sharedTestStack } from '../../infra/embedded/testing.ts';
import { KafkaBroker } from '../../services/adapters/kafka/broker.ts';
import { Kafka, logLevel } from '../../services/adapters/kafka/kafkajs.ts';
import type { BelfryError } from '../../services/core/errors.ts';
import { record, until } from '../conformance/broker-support.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

/** Kafka's numbers. */
const RESOURCES = { topic: 2, group: 3, cluster: 4, transactionalId: 5 } as const;
const [ANY, ALL, WRITE] = [1, 2, 4];
const [DENY, ALLOW, LITERAL] = [2, 3, 3];

describe('a Kafka that denies permissions', { timeout: 230_000 }, () => {
  let folder: string;
  let kafka: EmbeddedKafka;
  let admin: Admin;
  /** Where the services come in, as a user of their own; tests come in by the other listener, and may do everything. */
  let door: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-permissions-'));
    const ports = await choosePorts(3);
    const [own, controller, users] = ports as [number, number, number];
    door = `127.0.0.1:${users}`;
    kafka = await startKafka({
      dataDir: folder,
      ports: [own, controller],
      settings: {
        listeners: `PLAINTEXT://127.0.0.1:${own},CONTROLLER://127.0.0.1:${controller},USERS://${door}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${own},USERS://${door}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT',
        'listener.name.users.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.users.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required user_belfry="secret";',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'allow.everyone.if.no.acl.found': 'true',
      },
    });
    admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  });
  after(async () => {
    await admin?.disconnect();
    await kafka?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function deny(resource: keyof typeof RESOURCES, resourceName: string, operation = ALL): Promise<void> {
    const on = { resourceType: RESOURCES[resource], resourceName, resourcePatternType: LITERAL };
    const acl = { ...on, principal: 'User:belfry', host: '*' };
    const denied = { ...acl, operation, permissionType: DENY };
    // Where there is any rule, what no rule allows is denied.
    await admin.createAcls({ acl: [denied, { ...acl, operation: ALL, permissionType: ALLOW }] });
  }
  async function grant(resource: keyof typeof RESOURCES, resourceName: string): Promise<void> {
    const on = { resourceType: RESOURCES[resource], resourceName, resourcePatternType: LITERAL };
    await admin.deleteAcls({ filters: [{ ...on, operation: ANY, permissionType: ANY }] });
  }

  describe('to a client', () => {
    let broker: KafkaBroker;
    before(async () => {
      const sasl = { mechanism: 'plain', username: 'belfry', password: 'secret' } as const;
      broker = new KafkaBroker({ config: { brokers: [door], clientId: 'test', sasl }, log: SILENT });
      const topics = ['fine', 'denied'].map((topic) => ({ topic, numPartitions: 1, replicationFactor: 1 }));
      await admin.createTopics({ topics });
    });
    after(() => broker.close());
    const denied = (ids: object) => (error: BelfryError) => {
      assert.deepEqual([error.code, error.retryable, error.ids], ['broker_denied', true, ids]);
      return true;
    };

    it('names the topic that may not be written to, among those that may', async () => {
      const producer = await broker.producer();
      const transactional = await broker.transactional('belfry-tx');
      // What both know of the topics, they knew before.
      await producer.send([record('fine', 0, 'a'), record('denied', 0, 'a')]);
      await transactional.transact([record('fine', 0, 'b'), record('denied', 0, 'b')], []);
      await deny('topic', 'denied');
      const both = [record('fine', 0, 'c'), record('denied', 0, 'c')];
      await assert.rejects(producer.send(both), denied({ topic: 'denied' }));
      await assert.rejects(transactional.transact(both, []), denied({ topic: 'denied' }));
      assert.deepEqual(broker.denials, [{ resource: 'topic', name: 'denied' }]);
      await producer.send([record('fine', 0, 'd')]);
      await transactional.transact([record('fine', 0, 'd')], []);
      await grant('topic', 'denied');
      await producer.send(both);
      await transactional.transact(both, []);
    });

    it('names a transactional id, and the group of its offsets', async () => {
      await deny('transactionalId', 'belfry-tx-2');
      const producer = await broker.transactional('belfry-tx-2');
      await assert.rejects(producer.transact([record('fine', 0, 'a')], []), denied({ transactionalId: 'belfry-tx-2' }));
      await grant('transactionalId', 'belfry-tx-2');
      const offsets = [{ groupId: 'group-1', topic: 'fine', partition: 0, offset: 1n }];
      await deny('group', 'group-1');
      await assert.rejects(producer.transact([record('fine', 0, 'a')], offsets), denied({ group: 'group-1' }));
      await assert.rejects(broker.committed('group-1', offsets[0]!), denied({ group: 'group-1' }));
      await grant('group', 'group-1');
      // The topic of the groups' positions may have been made just now.
      const commit = (): Promise<boolean> =>
        producer.transact([], offsets).then(
          () => true,
          () => false,
        );
      for (let tries = 0; !(await commit()); tries++) assert.ok(tries < 100, 'it commits');
      assert.equal(await broker.committed('group-1', offsets[0]!), 1n);
    });

    for (const [resource, name] of [
      ['group', 'group-2'],
      ['topic', 'fine'],
    ] as const) {
      it(`lets a consumer wait for its ${resource}, and say so; it reads once that is granted`, async () => {
        await deny(resource, name);
        let [read, fatal] = [0, 0];
        const options = { groupId: 'group-2', topics: ['fine'], memberName: 'm', copartitioned: false };
        const group = broker.group(
          { ...options, isolation: 'read_committed', sessionTimeoutMs: 6_000 },
          {
            onAssignment: () => {},
            position: () => 0n,
            onBatch: ({ records }) => (read += records.length),
            onFatal: () => fatal++,
          },
        );
        await group.start();
        await until('it is said', () => broker.denials.some((denial) => denial.name === name));
        await grant(resource, name);
        await until('it reads', () => read > 0);
        assert.equal(fatal, 0);
        await group.stop();
      });
    }
  });

  describe('to the services', () => {
    let belfry: TestDeployment;
    let timer: Service;
    let executor: Service;
    let api: Service;
    before(async () => {
      const { databaseUrl } = sharedTestStack();
      belfry = await TestDeployment.create({ partitions: 3, servers: { kafkaBrokers: kafka.brokers, databaseUrl } });
      await belfry.key(['admin']);
      const env = {
        ...{ KAFKA_BROKERS: door, KAFKA_SASL_MECHANISM: 'plain' },
        ...{ KAFKA_SASL_USERNAME: 'belfry', KAFKA_SASL_PASSWORD: 'secret' },
      };
      const options = { env, isQuiet: true, waitReady: false };
      [timer, executor, api] = await Promise.all([
        belfry.timer(options),
        belfry.executor(options),
        belfry.api(options),
      ]);
      await Promise.all([timer, executor, api].map((service) => service.ready(60_000)));
    });
    after(() => belfry?.destroy());

    async function reasons(service: Service): Promise<string> {
      const response = await fetch(`http://127.0.0.1:${await service.port}/readyz`);
      return response.ok ? '' : ((await response.json()) as { reasons: string[] }).reasons.join('; ');
    }
    async function said(service: Service, what: RegExp): Promise<void> {
      for (let tries = 0, last = ''; ; tries++) {
        last = await reasons(service);
        if (what.test(last)) return;
        if (tries > 250) assert.fail(`${service.name} says: ${last}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    /** Three jobs, whose runs are due when the topic that they need is denied. */
    async function soon(name: string): Promise<void> {
      const ids = [1, 2, 3].map((index) => `${name}-${index}`);
      await Promise.all(ids.map((id) => belfry.client.schedule(id, custom('record', { in: '10s' }))));
    }
    const failures = (): Promise<object[]> => belfry.rows(`SELECT run_id FROM runs WHERE status = 'FAILED'`);

    it('a topic of due records: the timer names it and what to grant; the runs wait, and none fails', async () => {
      const topic = belfry.topics.due('default', 'medium');
      await soon('due');
      await deny('topic', topic);
      await said(timer, new RegExp(`Kafka denies topic ${topic}: grant this service's user READ, WRITE and DESCRIBE`));
      assert.match(await timer.metrics(), new RegExp(`belfry_kafka_denied\\{resource="topic ${topic}"[^}]*\\} 1`));
      await said(executor, new RegExp(`Kafka denies topic [^ ]*${topic}`));
      assert.deepEqual(await failures(), []);
      await grant('topic', topic);
      await belfry.untilRuns(3, 'COMPLETED');
      await timer.ready();
      await executor.ready(30_000);
    });

    it('job.completed: the executor names it, and outcomes come once it is granted', async () => {
      await soon('done');
      await deny('topic', belfry.topics.completed, WRITE);
      await said(executor, new RegExp(`Kafka denies topic ${belfry.topics.completed}`));
      await grant('topic', belfry.topics.completed);
      await belfry.untilRuns(6, 'COMPLETED');
      assert.deepEqual(await failures(), []);
      await executor.ready(30_000);
      await timer.ready(30_000);
    });

    it('job.commands: the API names it, and takes commands once it is granted', async () => {
      await deny('topic', belfry.topics.commands);
      const key = await belfry.key(['admin']);
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const post = async (jobId: string): Promise<number> => {
        const body = JSON.stringify({ ...custom('record', NOW), jobId });
        return (await fetch(`http://127.0.0.1:${await api.port}/api/jobs`, { method: 'POST', headers, body })).status;
      };
      assert.equal(await post('refused'), 503);
      await said(api, new RegExp(`Kafka denies topic ${belfry.topics.commands}`));
      await grant('topic', belfry.topics.commands);
      await Promise.all([api.ready(30_000), timer.ready(30_000)]);
      assert.equal(await post('taken'), 201);
    });
  });
});
