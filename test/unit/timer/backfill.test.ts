import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness.ts';

const HOUR = 3_600_000;
const iso = (ms: number): string => new Date(ms).toISOString();

/** An hourly job that was made just now; its schedule began five hours ago. */
async function hourly(job: object = {}): Promise<{ cluster: Cluster; begin: number }> {
  const cluster = await Cluster.up();
  const begin = Math.floor(cluster.clock.now()) - 5 * HOUR - 120_000;
  await cluster.put({ schedule: { every: '1h', startAt: iso(begin) }, ...job });
  return { cluster, begin };
}

const backfill = (begin: number, more: object = {}): Record<string, unknown> => ({
  ...{ type: 'backfill', from: iso(begin), to: iso(begin + 3 * HOUR) },
  ...more,
});

void test('occurrences without a run are run one after the other, marked as backfill', async () => {
  const { cluster, begin } = await hourly();
  const ack = await cluster.ask(backfill(begin, { commandId: 'b-1' }));
  const wanted = [begin, begin + HOUR, begin + 2 * HOUR];
  assert.deepEqual([ack.outcome, ack.matched, ack.occurrences], ['applied', 3, wanted]);
  for (const index of [0, 1, 2]) {
    await cluster.dueCount(index + 1);
    await cluster.clock.advance(2_000);
    assert.equal(cluster.dues.length, index + 1);
    await cluster.finish(cluster.dues[index]!);
  }
  assert.deepEqual(
    cluster.dues.map(({ trigger, cause, scheduledFor }) => [trigger, cause, scheduledFor]),
    wanted.map((at) => ['backfill', 'b-1', at]),
  );
});

void test('the same command twice has one effect', async () => {
  const { cluster, begin } = await hourly();
  await cluster.ask(backfill(begin, { commandId: 'b-1' }));
  const again = await cluster.send(backfill(begin, { commandId: 'b-1' }));
  assert.equal((await cluster.answer(again, 2)).outcome, 'duplicate');
});

void test('a dry run answers the list and does nothing', async () => {
  const { cluster, begin } = await hourly();
  const ack = await cluster.ask(backfill(begin, { dryRun: true }));
  assert.deepEqual([ack.outcome, ack.occurrences], ['unchanged', [begin, begin + HOUR, begin + 2 * HOUR]]);
  await cluster.clock.advance(5_000);
  assert.equal(cluster.dues.length, 0);
});

void test('with allow they run at once, and none twice however often it is asked for', async () => {
  const { cluster, begin } = await hourly({ overlap: 'allow' });
  await cluster.ask(backfill(begin, { overlap: 'allow' }));
  await cluster.dueCount(3);
  // One has run, the others have no row yet.
  cluster.record(cluster.dues[0]!, 'COMPLETED');
  await cluster.ask(backfill(begin, { overlap: 'allow', to: iso(begin + 4 * HOUR) }));
  await cluster.until(() => new Set(cluster.dues.map(({ runId }) => runId)).size === 4, 'the fourth');
  assert.equal(cluster.dues.filter(({ runId }) => runId === cluster.dues[0]!.runId).length, 1);
  assert.equal(new Set(cluster.dues.map(({ scheduledFor }) => scheduledFor)).size, 4);
});

void test('an occurrence that ran gets no other run, and one that was skipped gets one', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1h' }, overlap: 'skip' });
  const anchor = cluster.job().anchorAt;
  await cluster.clock.advance(HOUR);
  await cluster.dueCount(1);
  await cluster.clock.advance(HOUR);
  await cluster.until(() => cluster.outcomes.length === 1, 'the second is skipped');
  await cluster.finish(cluster.dues[0]!);
  await cluster.until(() => cluster.job().active.length === 0, 'the first has ended');
  const ask = { type: 'backfill', from: iso(anchor), to: iso(anchor + 3 * HOUR) };
  assert.deepEqual((await cluster.ask(ask)).occurrences, [anchor + 2 * HOUR]);
  await cluster.dueCount(2);
  assert.equal(cluster.dues[1]!.trigger, 'backfill');
  assert.notEqual(cluster.dues[1]!.runId, cluster.outcomes[0]!.runId);
  assert.deepEqual((await cluster.ask(ask)).occurrences, []);
});

void test('what the schedule is yet to decide is left to it', async () => {
  const { cluster, begin } = await hourly();
  const ack = await cluster.ask(backfill(begin, { to: iso(begin + 100 * HOUR), dryRun: true }));
  assert.equal(ack.occurrences?.length, 6);
  await cluster.ask({ type: 'pause' });
  await cluster.clock.advance(2 * HOUR);
  const paused = await cluster.ask(backfill(begin, { to: iso(begin + 100 * HOUR), dryRun: true }));
  assert.equal(paused.occurrences?.length, 6);
  await cluster.ask({ type: 'resume' });
  const resumed = await cluster.ask(backfill(begin, { to: iso(begin + 100 * HOUR), dryRun: true }));
  assert.equal(resumed.occurrences?.length, 8);
});

const refused: { name: string; job?: object; more: object; code: string; message: RegExp }[] = [
  {
    name: 'more than the limit',
    more: { limit: 2 },
    code: 'invalid',
    message: /^3 occurrences have no run, and at most 2/,
  },
  { name: 'an end before the beginning', more: { to: iso(0) }, code: 'invalid', message: /not later than from/ },
  { name: 'a one-shot', job: { schedule: { in: '5m' } }, more: {}, code: 'conflict', message: /only cron and every/ },
  { name: 'a limit above 1,000', more: { limit: 1_001 }, code: 'invalid', message: /from 1 to 1000/ },
];
for (const { name, job, more, code, message } of refused) {
  void test(`a backfill of ${name} is refused, and the message says why`, async () => {
    const { cluster, begin } = await hourly(job);
    const ack = await cluster.ask(backfill(begin, more));
    assert.equal(ack.error?.code, code);
    assert.match(ack.error?.message ?? '', message);
  });
}
