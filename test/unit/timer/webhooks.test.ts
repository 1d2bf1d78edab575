import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryWebhooks } from '../../../services/adapters/memory/webhooks.ts';
import type { WebhookFields } from '../../../services/core/ports/webhooks.ts';
import type { DueRecord, Outcome } from '../../../services/core/records.ts';
import { deliveryRunId } from '../../../services/core/webhook.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { jobKey } from '../../../services/core/topics.ts';
import { outcome } from '../cli/support.ts';
import { Cluster, P } from './harness.ts';

const KNOWN_MS = 3_000;
const ONCE = { schedule: { in: '1s' } };

async function withWebhook(fields: Partial<WebhookFields> = {}): Promise<Cluster> {
  const cluster = await Cluster.up();
  await add(cluster, 'alerts', fields);
  return cluster;
}

async function add(cluster: Cluster, id: string, fields: Partial<WebhookFields> = {}): Promise<void> {
  const filter = { statuses: ['FAILED'] as const, jobs: [], handlers: [], labels: {} };
  const webhook = { tenant: 'acme', id, url: 'https://x', disabled: false, secret: 's', ...filter, ...fields };
  await new MemoryWebhooks(cluster.db).create(webhook, 20);
  await cluster.clock.advance(KNOWN_MS);
}

function inPartitionOf(jobId: string): string {
  const at = (id: string): number => partitionOf(jobKey('acme', id), P);
  return Array.from({ length: 100 }, (_, n) => `plain-${n}`).find((id) => at(id) === at(jobId))!;
}

const deliveries = (cluster: Cluster): (DueRecord & { at: number })[] =>
  cluster.dues.filter(({ type }) => type === 'WEBHOOK');

async function run(cluster: Cluster, jobId: string): Promise<DueRecord> {
  await cluster.put(ONCE, { jobId });
  await cluster.until(() => cluster.dues.some((due) => due.jobId === jobId), `a run of ${jobId}`);
  return cluster.dues.find((due) => due.jobId === jobId)!;
}

void test('the end of a run becomes a delivery for each webhook that hears of it, with the outcome as its body', async () => {
  const cluster = await withWebhook();
  await add(cluster, 'all', { statuses: ['COMPLETED', 'FAILED'] });
  const [bad, good] = [await run(cluster, 'bad'), await run(cluster, 'good')];
  await cluster.finish(bad, 'FAILED');
  await cluster.finish(good, 'COMPLETED');
  await cluster.until(() => deliveries(cluster).length >= 3, 'three deliveries');
  await cluster.clock.advance(10_000);
  const told = deliveries(cluster).map(({ jobId, cause, handler, attempt }) => [jobId, cause, handler, attempt]);
  assert.deepEqual(
    told.sort(),
    [
      ['belfry.webhook.alerts', `${bad.runId}:failed`, '', 1],
      ['belfry.webhook.all', `${good.runId}:completed`, '', 1],
      ['belfry.webhook.all', `${bad.runId}:failed`, '', 1],
    ].sort(),
  );
  const [one] = deliveries(cluster).filter(({ jobId }) => jobId.endsWith('alerts'));
  const body = one!.event!.payload as { type: string; timestamp: string; data: { runId: string; status: string } };
  assert.equal(body.type, 'belfry.run.failed.v1');
  assert.deepEqual([body.data.runId, body.data.status], [bad.runId, 'FAILED']);
  const at = Date.parse(body.timestamp);
  const commandId = `${bad.runId}:failed`;
  assert.equal(one!.runId, deliveryRunId({ tenant: 'acme', jobId: one!.jobId, commandId, at }));
  assert.ok(!JSON.stringify(one).includes('https://x'), 'neither url nor secret stands on a topic');
});

void test('an outcome that comes again is delivered once', async () => {
  const cluster = await withWebhook();
  const due = await run(cluster, 'bad');
  for (const _ of [1, 2, 3]) await cluster.finish(due, 'FAILED');
  await cluster.until(() => deliveries(cluster).length > 0, 'a delivery');
  await cluster.clock.advance(10_000);
  await cluster.finish(due, 'FAILED');
  await cluster.clock.advance(10_000);
  assert.equal(new Set(deliveries(cluster).map(({ runId }) => runId)).size, 1);
});

void test('skipped occurrences, and runs that others run after, are heard of as well', async () => {
  const cluster = await withWebhook({ statuses: ['SKIPPED', 'FAILED'] });
  await cluster.put({ schedule: { every: '1s' } }, { jobId: 'slow' });
  await cluster.until(() => deliveries(cluster).length >= 2, 'skipped occurrences', 20_000);
  const { dues } = cluster;
  await cluster.finish(
    dues.find(({ jobId }) => jobId === 'slow')!,
    'FAILED',
  );
  await cluster.until(() => deliveries(cluster).some(({ cause }) => cause.endsWith(':failed')), 'the failure');
  assert.ok(cluster.job('slow').active.length <= 1);
  await cluster.until(() => dues.filter(({ jobId }) => jobId === 'slow').length > 1, 'the next occurrence');
});

void test('deliveries make no deliveries: an outcome of theirs is nobody’s', async () => {
  const cluster = await withWebhook();
  await cluster.finish(await run(cluster, 'bad'), 'FAILED');
  await cluster.until(() => deliveries(cluster).length > 0, 'a delivery');
  await cluster.finish(deliveries(cluster)[0]!, 'FAILED');
  await cluster.clock.advance(20_000);
  assert.equal(deliveries(cluster).length, 1);
});

void test('filters decide: job, handler, labels, tenant, and whether it is disabled', async () => {
  const cluster = await withWebhook({ jobs: ['good'] });
  await add(cluster, 'handler', { handlers: ['other'] });
  await add(cluster, 'label', { labels: { team: 'b' } });
  await add(cluster, 'off', { disabled: true });
  await new MemoryWebhooks(cluster.db).create(
    {
      ...{ tenant: 'other', id: 'x', url: 'https://x', disabled: false, secret: 's' },
      ...{ statuses: ['FAILED'], jobs: [], handlers: [], labels: {} },
    },
    20,
  );
  await cluster.clock.advance(KNOWN_MS);
  await cluster.finish(await run(cluster, 'bad'), 'FAILED');
  await cluster.finish(await run(cluster, 'good'), 'FAILED');
  await cluster.until(() => deliveries(cluster).length > 0, 'a delivery');
  await cluster.clock.advance(10_000);
  assert.deepEqual(
    deliveries(cluster).map(({ jobId, cause }) => [jobId, cause.endsWith(':failed')]),
    [['belfry.webhook.alerts', true]],
  );
});

void test('a webhook whose job was retired delivers what ends from then on', async () => {
  const cluster = await withWebhook();
  await cluster.finish(await run(cluster, 'one'), 'FAILED');
  await cluster.until(() => deliveries(cluster).length === 1, 'the first delivery');
  assert.equal((await cluster.ask({ type: 'retire', jobId: 'belfry.webhook.alerts' })).outcome, 'applied');
  await cluster.finish(await run(cluster, 'two'), 'FAILED');
  await cluster.until(() => deliveries(cluster).length === 2, 'the second delivery');
  assert.ok(deliveries(cluster)[1]!.cancelGen > deliveries(cluster)[0]!.cancelGen);
});

void test('nobody but Belfry makes, steers or ends anything under its own names', async () => {
  const cluster = await withWebhook();
  const jobId = 'belfry.webhook.alerts';
  const refused = [
    await cluster.put(ONCE, { jobId }),
    await cluster.ask({ type: 'trigger', jobId, payload: { forged: true } }),
    ...(await Promise.all(['pause', 'resume', 'cancel'].map((type) => cluster.ask({ type, jobId })))),
    await cluster.ask({ type: 'cancel', jobId, runId: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55' }),
    await cluster.ask({ type: 'backfill', jobId, from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }),
    await cluster.emit('belfry.outcome', 'forged'),
  ];
  assert.deepEqual(
    refused.map(({ error }) => [error?.code, error?.field]),
    [...Array<string[]>(7).fill(['invalid', 'jobId']), ['invalid', 'event']],
  );
  assert.match(refused[0]!.error!.message, /begins with belfry\., which is for Belfry's own/);
});

for (const when of ['before', 'after'] as const) {
  void test(`a timer that dies ${when} its step takes effect loses no delivery and makes none twice`, async () => {
    const cluster = await withWebhook();
    const due = await run(cluster, 'bad');
    const [first] = cluster.nodes;
    cluster.storeFault = (node, method, moment) => {
      if (node !== first!.name || method !== 'step' || moment !== when) return;
      first!.kill();
      throw new Error('dead');
    };
    await cluster.finish(due, 'FAILED');
    cluster.start();
    await cluster.until(() => deliveries(cluster).length > 0, 'a delivery', 60_000);
    await cluster.clock.advance(20_000);
    assert.equal(new Set(deliveries(cluster).map(({ runId }) => runId)).size, 1);
  });
}

void test('a store that is away delays deliveries and loses none', async () => {
  const cluster = await withWebhook();
  const due = await run(cluster, 'bad');
  await cluster.clock.advance(60_000);
  let refused = 0;
  cluster.webhooksFault = async () => {
    if (++refused <= 3) throw new Error('away');
  };
  await cluster.finish(due, 'FAILED');
  await cluster.until(() => deliveries(cluster).length > 0, 'a delivery', 60_000);
  assert.ok(refused > 3);
});

void test('thousands of outcomes that concern nobody do not hold up one that somebody waits for', async () => {
  const cluster = await withWebhook({ statuses: ['CANCELLED'] });
  // A fixed delay counts from the end that the timer hears; `plain` has the same partition, and nobody waits for it.
  await cluster.put({ schedule: { fixedDelay: '1s' } }, { jobId: 'tracked' });
  await cluster.until(() => cluster.dues.length === 1, 'a run');
  const [tracked] = cluster.dues as [DueRecord & { at: number }];
  const due = { ...tracked, jobId: inPartitionOf('tracked'), tracked: false };
  await cluster.clock.advance(60_000); // nothing is fresh any more: all is read before it is passed over
  const { promise: come, resolve: goOn } = Promise.withResolvers<void>();
  cluster.webhooksFault = () => come;
  const runs = cluster.dues.length;
  for (let n = 0; n < 3_000; n++) await cluster.finish(due, 'COMPLETED');
  await cluster.finish(tracked, 'COMPLETED');
  await cluster.clock.advance(100);
  goOn();
  await cluster.until(() => cluster.dues.length > runs, 'the next occurrence', 2_000);
});

void test('of messages a webhook hears what is certain: not the outcome of a transaction that was aborted', async () => {
  const cluster = await withWebhook({ statuses: ['COMPLETED', 'FAILED'] });
  const message = (topic: string) => ({
    type: 'KAFKA_MESSAGE',
    handler: undefined,
    payload: { topic, value: 'x' },
    ...ONCE,
  });
  const aborted = outcome({
    ...{ type: 'KAFKA_MESSAGE', tenant: 'acme', jobId: 'refused', finishedAt: cluster.clock.now() },
  });
  await cluster.publish(cluster.records.outcome(aborted, false));
  await cluster.put(message('orders'), { jobId: 'sent' });
  await cluster.put(message('nowhere'), { jobId: 'refused' });
  await cluster.until(() => deliveries(cluster).length >= 2, 'two deliveries');
  await cluster.clock.advance(10_000);
  const told = deliveries(cluster).map(({ event }) => (event!.payload as { data: Outcome }).data);
  assert.deepEqual(told.map(({ jobId, status }) => `${jobId} ${status}`).sort(), ['refused FAILED', 'sent COMPLETED']);
});
