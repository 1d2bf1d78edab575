/** Whatever stands on a due topic: it stops nobody else, and it ends where people can find it. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Cluster } from './harness.ts';

void describe('a due topic with garbage among its records', () => {
  let cluster: Cluster;
  beforeEach(() => {
    cluster = new Cluster(1);
  });
  afterEach(() => cluster.stop());

  void it('loses none of it: the bytes are rejected with their reason and their place, and the others run', async () => {
    const before = cluster.due();
    const after = cluster.due();
    const poison = [
      Buffer.from('nonsense'),
      null,
      ...[{ attempt: 2 ** 31 }, { handler: 'wo\u0000rk' }, { dueAt: 9e15 }, { failures: [{ startedAt: 'x' }] }].map(
        (changes) => Buffer.from(JSON.stringify({ ...cluster.due(), ...changes })),
      ),
    ];
    await cluster.fire(before);
    for (const value of poison) await cluster.write(value);
    await cluster.fire(after);
    const node = cluster.start({ work: () => 'done' });
    for (const due of [before, after]) assert.equal((await cluster.untilOutcome(due)).status, 'COMPLETED');
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
    assert.deepEqual(
      cluster.rejected.map(({ value }) => value),
      poison,
    );
    assert.deepEqual(
      cluster.rejected.map(({ headers }) => headers.belfry_origin_offset),
      poison.map((_, index) => String(index + 1)),
    );
    const { headers } = cluster.rejected[2]!;
    assert.equal(headers.belfry_error_code, 'invalid');
    assert.match(headers.belfry_error_message!, /attempt must be a whole number/);
    assert.deepEqual([headers.belfry_origin_topic, headers.belfry_origin_partition], ['job.due.medium', '0']);
    assert.deepEqual(node.fatal, []);
    const indexed = cluster.db.rejected.map(({ topic, offset, code, tenant, jobId }) => [
      topic,
      offset,
      code,
      tenant,
      jobId,
    ]);
    assert.equal(indexed.length, poison.length);
    assert.deepEqual(indexed[0], ['job.due.medium', 1n, 'unreadable', 'acme', 'x']);
  });

  void it('has a rejection in the same transaction as the offset: a crash before it reads the garbage again', async () => {
    cluster.faults.before = (_client, request) => (request === 'commit' ? new Promise(() => undefined) : undefined);
    const first = cluster.start({ work: () => 'done' });
    await cluster.live(first);
    await cluster.write(Buffer.from('nonsense'));
    await cluster.clock.advance(2_000);
    first.kill();
    assert.equal(cluster.rejected.length, 0);
    delete cluster.faults.before;
    cluster.start({ work: () => 'done' });
    await cluster.clock.until(() => cluster.rejected.length > 0, 'rejected');
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'committed');
    assert.equal(cluster.rejected.length, 1);
  });
});

void describe('a due record of a newer release', () => {
  let cluster: Cluster;
  beforeEach(() => {
    cluster = new Cluster(1);
  });
  afterEach(() => cluster.stop());

  const foreign = { type: 'DATABASE_QUERY' as never, handler: '', ...({ region: 'eu' } as object) };

  void it('with a job type that nobody here knows waits, and runs on an executor that knows it', async () => {
    const due = cluster.due(foreign);
    await cluster.live(cluster.start({ work: () => 'done' }));
    await cluster.fire(due);
    await cluster.clock.advance(60_000);
    const parked = cluster.db.parked.get(due.runId);
    assert.deepEqual([parked?.kind, parked?.handler, parked?.due], ['handed_over', 'type:DATABASE_QUERY', due]);
    assert.equal(cluster.uncommitted(), 0, 'no offset waits for it');
    cluster.start({ 'type:DATABASE_QUERY': ({ runId }) => runId });
    assert.equal((await cluster.untilOutcome(due)).result, due.runId);
  });

  void it('ends as handler_not_found when for five minutes nobody came, with all of its fields for replay', async () => {
    const due = cluster.due(foreign);
    await cluster.live(cluster.start({ work: () => 'done' }));
    await cluster.fire(due);
    const outcome = await cluster.untilOutcome(due, 6 * 60_000);
    assert.deepEqual(
      [outcome.status, outcome.error?.code, outcome.type],
      ['FAILED', 'handler_not_found', 'DATABASE_QUERY'],
    );
    assert.deepEqual(cluster.db.runs.get(due.runId)?.due, due);
  });

  void it('is not run by a handler that happens to have the name of its type', async () => {
    let ran = false;
    await cluster.live(cluster.start({ DATABASE_QUERY: () => (ran = true) }));
    await cluster.fire(cluster.due(foreign));
    await cluster.clock.advance(5_000);
    assert.equal(ran, false);
  });

  void it('with a delivery that nobody here knows is not run by guess', async () => {
    let ran = false;
    await cluster.live(cluster.start({ work: () => (ran = true) }));
    await cluster.fire(cluster.due({ delivery: 'exactly_once' as never }));
    await cluster.clock.advance(5_000);
    assert.equal(ran, false);
  });

  void it('with a trigger, a priority and fields that are new runs, and keeps them through its retry', async () => {
    const news = { trigger: 'signal' as never, priority: 'urgent' as never, ...({ region: 'eu' } as object) };
    const due = cluster.due({ ...news, retry: { ...cluster.due().retry, maxRetries: 1 } });
    await cluster.live(cluster.start({ work: () => Promise.reject(new Error('no')) }));
    await cluster.write(Buffer.from(JSON.stringify(due)));
    await cluster.clock.until(() => cluster.retries.length > 0, 'a retry');
    const { trigger, priority, region } = cluster.retries[0] as unknown as Record<string, unknown>;
    assert.deepEqual({ trigger, priority, region }, { trigger: 'signal', priority: 'urgent', region: 'eu' });
  });
});
