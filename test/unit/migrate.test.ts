import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { packageFile } from '../../services/adapters/package-file.ts';
import type { TopicDescription, TopicSpec } from '../../services/core/ports/topic-admin.ts';
import { driftOf, queuesOf, topicSpecs } from '../../services/core/topic-specs.ts';
import { topicsOf } from '../../services/core/topics.ts';
import { migrateAll, type MigrateParts } from '../../services/migrate/migrate.ts';

const HISTORY_MS = 30 * 86_400_000;
const of = (brokers: number, queues: string[] = []) =>
  topicSpecs({ topics: topicsOf(''), partitions: 12, queues, brokers, historyMs: HISTORY_MS });
const named = (specs: TopicSpec[], topic: string) => specs.find((spec) => spec.topic === topic)!;

void test('every migration has a number of its own, by which it is known to have been applied', async () => {
  const files = await readdir(packageFile('schemas/sql'));
  const numbers = files.map((file) => file.slice(0, 3));
  assert.deepEqual(
    files.filter((_, at) => numbers.indexOf(numbers[at]!) !== at),
    [],
  );
});

void test('what waits is kept for ever, what informs for a while', () => {
  const retention = Object.fromEntries(of(1).map(({ topic, configs }) => [topic, configs['retention.ms']]));
  assert.deepEqual(retention, {
    ...{ 'job.commands': '-1', 'job.retry': '-1', 'job.due.high': '-1', 'job.due.medium': '-1', 'job.due.low': '-1' },
    ...{ 'job.completed': '604800000', 'job.dlq': String(HISTORY_MS), 'job.commands.rejected': '604800000' },
    'job.commands.acks': '3600000',
  });
});

void test('three brokers are made use of; one and two are enough to run', () => {
  const replication = [1, 2, 3, 5].map((brokers) => named(of(brokers), 'job.commands'));
  assert.deepEqual(
    replication.map(({ replicationFactor, configs }) => [replicationFactor, configs['min.insync.replicas']]),
    [
      [1, undefined],
      [2, undefined],
      [3, '2'],
      [3, '2'],
    ],
  );
});

void test('a queue has due topics of its own, and is found again by them', () => {
  const names = of(1, ['reports', 'a-b']).map(({ topic }) => topic);
  assert.ok(names.includes('job.due.reports.high') && names.includes('job.due.a-b.low'));
  assert.deepEqual(queuesOf(topicsOf(''), names), ['reports', 'a-b']);
});

void test('a longer retention or more partitions are no drift; fewer partitions are', () => {
  const spec = named(of(1), 'job.commands');
  const actual = (fields: Partial<TopicDescription>) => ({ ...spec, ...fields });
  assert.deepEqual(
    driftOf(spec, actual({ partitions: 24, configs: { ...spec.configs, 'retention.ms': String(HISTORY_MS) } })),
    [],
  );
  assert.deepEqual(driftOf(spec, actual({ partitions: 3 })), [
    { topic: 'job.commands', setting: 'partitions', expected: '12', actual: '3' },
  ]);
});

type Fixed = { partitions: number; encoding: 'json' | 'avro'; topicPrefix: string };

/** A Kafka and a database of maps. */
class World {
  topics = new Map<string, TopicSpec>();
  own = new Set<string>();
  meta: Fixed | undefined;
  registered = 0;
  /** Called in the middle of making topics. */
  onCreate: (topic: string) => void = () => undefined;

  parts(fields: Partial<MigrateParts> = {}): MigrateParts {
    return {
      ...{ partitions: undefined, topicPrefix: '', historyMs: HISTORY_MS },
      readMeta: async () => this.meta,
      migrateDatabase: async (fixed) => ({ ...(this.meta ??= fixed), schemaVersion: 4, deploymentId: 'd' }),
      ownTopics: async () => [...this.own],
      rememberTopics: async (names) => names.forEach((name) => this.own.add(name)),
      admin: {
        brokerCount: async () => 1,
        alterTopic: async (topic, configs) => {
          const spec = this.topics.get(topic)!;
          this.topics.set(topic, { ...spec, configs: { ...spec.configs, ...configs } });
        },
        describeTopics: async (names) => names.flatMap((name) => this.topics.get(name) ?? []),
        ensureTopics: async (specs) => {
          const created: string[] = [];
          for (const spec of specs) {
            this.onCreate(spec.topic);
            if (this.topics.has(spec.topic)) continue;
            this.topics.set(spec.topic, spec);
            created.push(spec.topic);
          }
          const existing = specs.filter(({ topic }) => !created.includes(topic));
          return { created, existing: existing.flatMap(({ topic }) => this.topics.get(topic) ?? []) };
        },
      },
      registerSchemas: async () => void (this.registered += 1),
      ...fields,
    };
  }
}

void test('a second migration changes nothing and keeps what the first one chose', async () => {
  const world = new World();
  const first = await migrateAll(world.parts({ partitions: 6 }), { queues: ['reports'] });
  const second = await migrateAll(world.parts(), {});
  assert.equal(first.topicsCreated.length, 12);
  assert.deepEqual(second.topicsCreated, []);
  assert.equal(second.topicsPresent.length, 12);
  assert.equal(second.partitions, 6);
  assert.equal(world.registered, 0);
});

void test('commands of a deployment that an earlier release made get the time at which Kafka takes them; other drift is told', async () => {
  const world = new World();
  await migrateAll(world.parts(), {});
  const commands = world.topics.get('job.commands')!;
  const configs = {
    ...commands.configs,
    'message.timestamp.type': 'CreateTime',
    'unclean.leader.election.enable': 'true',
  };
  world.topics.set('job.commands', { ...commands, configs });
  const { drifts } = await migrateAll(world.parts(), {});
  assert.deepEqual(
    drifts.map(({ setting, actual }) => [setting, actual]),
    [['unclean.leader.election.enable', 'true']],
  );
  assert.equal(world.topics.get('job.commands')!.configs['message.timestamp.type'], 'LogAppendTime');
  assert.equal(named(of(1), 'job.retry').configs['message.timestamp.type'], undefined);
});

void test('topics that somebody else made are not taken over, and nothing is made beside them', async () => {
  const world = new World();
  world.topics.set('job.commands', named(of(1), 'job.commands'));
  await assert.rejects(migrateAll(world.parts(), {}), {
    code: 'topic_not_ours',
    message: /job\.commands\. Set BELFRY_TOPIC_PREFIX/,
  });
  assert.equal(world.topics.size, 1);
  await assert.rejects(migrateAll(world.parts(), {}), { code: 'topic_not_ours' });
});

void test('a topic whose making was answered only at the second try is ours all the same', async () => {
  const world = new World();
  world.onCreate = (topic) => {
    if (topic === 'job.dlq') world.topics.set(topic, named(of(1), topic));
  };
  const report = await migrateAll(world.parts(), {});
  assert.ok(report.topicsCreated.includes('job.dlq'));
  assert.deepEqual((await migrateAll(world.parts(), {})).topicsCreated, []);
});

void test('a migration that broke off in the middle of the topics is simply run again', async () => {
  const world = new World();
  world.onCreate = (topic) => {
    if (topic === 'job.dlq') throw new Error('the process dies here');
  };
  await assert.rejects(migrateAll(world.parts(), {}));
  world.onCreate = () => undefined;
  const report = await migrateAll(world.parts(), {});
  assert.ok(report.topicsCreated.includes('job.dlq') && !report.topicsCreated.includes('job.commands'));
});

void test('Avro registers the schemas, and is refused where there is no registry', async () => {
  const world = new World();
  await assert.rejects(migrateAll(world.parts({ registerSchemas: undefined }), { encoding: 'avro' }), {
    code: 'config_invalid',
  });
  assert.equal(world.meta, undefined);
  const report = await migrateAll(world.parts(), { encoding: 'avro' });
  assert.equal(report.schemasRegistered, true);
  await migrateAll(world.parts(), {});
  assert.equal(world.registered, 2);
});
