import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actorHeader } from '../../../services/core/audit.ts';
import { Cluster } from './harness.ts';

const KEY = { kind: 'key', id: '0a1b2c3d4e5f', name: 'ci' } as const;
const EVERY = { schedule: { every: '1h' } };

/** What the log has, as `action actor fields`. */
const told = ({ db }: Cluster): string[] =>
  db.audit.map(
    ({ action, actor, changes }) => `${action} ${actor.name ?? actor.kind} ${changes.map(({ field }) => field).join()}`,
  );

void test('each change of a job is told with who made it and what it changed', async () => {
  const cluster = await Cluster.up();
  await cluster.put(EVERY);
  const job = { type: 'CUSTOM', handler: 'work', payload: { n: 2 }, priority: 'high', ...EVERY };
  await cluster.send({ type: 'schedule', job }, actorHeader(KEY));
  for (const type of ['pause', 'resume', 'trigger', 'cancel']) await cluster.ask({ type });
  assert.deepEqual(told(cluster), [
    'schedule ci payload.sha256,priority',
    'pause kafka state',
    'resume kafka state',
    'trigger kafka ',
    'cancel kafka state',
  ]);
  const [first] = cluster.db.audit;
  assert.deepEqual([first?.jobId, first?.version, first?.commandId], ['job', 2, 'c-2']);
});

void test('jobs that come in bulk and name nobody cost nothing; one whose maker is known is told', async () => {
  const cluster = await Cluster.up();
  await cluster.put(EVERY);
  assert.deepEqual(told(cluster), []);
  await cluster.send(
    { type: 'schedule', jobId: 'other', job: { type: 'CUSTOM', handler: 'work', ...EVERY } },
    actorHeader(KEY),
  );
  await cluster.ask({ type: 'pause' });
  await cluster.until(() => cluster.db.audit.length === 2, 'both are told');
  assert.deepEqual(told(cluster).filter((text) => text.startsWith('schedule')).length, 1);
});

void test('what changes nothing is not told: the same job again, a command twice, one that is refused', async () => {
  const cluster = await Cluster.up();
  await cluster.put(EVERY);
  await cluster.put(EVERY);
  await cluster.ask({ type: 'pause', commandId: 'p' });
  await cluster.ask({ type: 'pause', commandId: 'p' });
  await cluster.ask({ type: 'pause' });
  await cluster.ask({ type: 'resume', jobId: 'nobody' });
  assert.deepEqual(told(cluster), ['pause kafka state']);
});
