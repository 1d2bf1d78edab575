import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CliDeps } from '../../../services/cli/deps.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import type { SystemState } from '../../../services/core/ports/inspect.ts';
import type { TopicDescription } from '../../../services/core/ports/topic-admin.ts';
import { topicSpecs } from '../../../services/core/topic-specs.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { FakeCli, NOW, system } from './support.ts';

const HISTORY_MS = 30 * 86_400_000;
const SPECS = topicSpecs({ topics: topicsOf(''), partitions: 2, queues: [], brokers: 1, historyMs: HISTORY_MS });
const NAMES = SPECS.map(({ topic }) => topic);

type Document = { healthy: boolean; findings: { subject: string; status: string; detail: string; advice?: string }[] };

function doctorCli(state: Partial<SystemState> = {}, topics: readonly TopicDescription[] = SPECS): FakeCli {
  const admin = { brokerCount: async () => 1, describeTopics: async () => [...topics] };
  const broker = {
    logRange: async () => new Map([0, 1].map((partition) => [partition, { first: 0n, end: 5n }])),
    committed: async () => undefined,
  };
  const cli = new FakeCli(undefined, {
    topicAdmin: () => admin as unknown as ReturnType<CliDeps['topicAdmin']>,
    broker: () => broker as unknown as ReturnType<CliDeps['broker']>,
  });
  cli.inspect = { databaseNow: async () => NOW, system: async () => system({ topics: NAMES, ...state }) };
  return cli;
}

async function findings(cli: FakeCli): Promise<[number, string[]]> {
  const code = await cli.run('doctor', '--json');
  const bad = cli.document<Document>().findings.filter(({ status }) => status !== 'ok');
  return [code, bad.map(({ status, subject, detail }) => `${status} ${subject}: ${detail}`)];
}

void test('a healthy deployment exits with 0', async () => {
  assert.deepEqual(await findings(doctorCli()), [0, []]);
});

void test('people see what to do about each finding', async () => {
  const cli = doctorCli({ schemaVersion: 3 });
  assert.equal(await cli.run('doctor'), 1);
  assert.match(cli.stdout, /problem +schema +version 3, .*; this Belfry brings 4: run belfry migrate/);
});

function service(kind: string): SystemState['services'][number] {
  return { kind, name: 'host:7', release: '1.0.0', schemaVersion: 4, ageMs: 0 };
}

const SICK: [string, Partial<SystemState>, number, RegExp][] = [
  [
    'a database that a newer Belfry migrated, which serves this one no more',
    { schemaVersion: 6, oldestServices: 5 },
    1,
    /^problem schema: version 6, .*for services from version 5 on; this Belfry brings 4/,
  ],
  ['a database that a newer Belfry migrated in a rolling upgrade', { schemaVersion: 5 }, 0, /^$/],
  [
    'services of two releases',
    { services: [...system().services, { ...service('api'), release: '1.1.0', schemaVersion: 5 }] },
    0,
    /^warning releases: 1.0.0 \(schema 4\): 1 timer, 1 executor; 1.1.0 \(schema 5\): 1 api$/,
  ],
  [
    'services of a release that says nothing of itself, beside one that has not for long',
    { services: [service('timer'), { ...service('executor'), ageMs: 31_000 }] },
    0,
    /^warning releases: 1.0.0 \(schema 4\): 1 timer; a release that does not say which, or ended: executor host:2, timer host:1$/,
  ],
  ['no executor', { leases: [] }, 1, /^problem executors: none is alive/],
  [
    'timers nobody fires',
    { overdue: { count: 3, oldestAt: NOW - 60_000 } },
    1,
    /^problem due timers: 3 overdue, the oldest since 1 m/,
  ],
  ['timers that are just about to fire', { overdue: { count: 3, oldestAt: NOW - 100 } }, 0, /^$/],
  ['runs that wait for a handler', { parked: { handedOver: 2, detached: 0 } }, 0, /^warning parked runs: 2 wait/],
];
for (const [what, state, exit, expected] of SICK) {
  void test(`${what}: doctor exits with ${exit}`, async () => {
    const [code, bad] = await findings(doctorCli(state));
    assert.equal(code, exit);
    assert.match(bad.join('\n'), expected);
  });
}

void test('a position that is outside the log is a problem', async () => {
  const owners = system().owners.map((owner) => ({ ...owner, offsets: { ...owner.offsets, commands: 9n } }));
  const [code, bad] = await findings(doctorCli({ owners }));
  assert.equal(code, 1);
  assert.deepEqual(bad, ['problem lag of job.commands: the stored position of partitions 0, 1 is outside the log']);
});

void test('topics that are missing or were changed are named with their settings', async () => {
  const changed = SPECS.filter(({ topic }) => topic !== 'job.dlq').map((spec) =>
    spec.topic === 'job.commands' ? { ...spec, configs: { ...spec.configs, 'retention.ms': '3600000' } } : spec,
  );
  const [code, bad] = await findings(doctorCli({}, changed));
  assert.equal(code, 1);
  assert.deepEqual(bad, [
    'warning topic: job.commands: retention.ms is 3600000, expected -1',
    'problem topic: job.dlq is missing',
  ]);
});

void test('what cannot be reached is one finding, and the rest is examined all the same', async () => {
  const cli = doctorCli();
  cli.inspect.databaseNow = async () => Promise.reject(new BelfryError('store_unavailable', 'PostgreSQL is away'));
  const [code, bad] = await findings(cli);
  assert.equal(code, 1);
  assert.deepEqual(bad, ['problem database: PostgreSQL is away']);
});

void test('a clock that is off is a warning', async () => {
  const cli = doctorCli();
  cli.inspect.databaseNow = async () => NOW + 2_000;
  const [code, bad] = await findings(cli);
  assert.equal(code, 0);
  assert.deepEqual(bad, ['warning clock: this machine is 2000 ms behind the database']);
});
