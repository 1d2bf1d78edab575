/** Commands that wait for the jobs that theirs runs after, in a timer on memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Ack } from '../../../services/core/records.ts';
import { Cluster } from './harness.ts';

const afterAll = (...jobs: string[]) => ({ schedule: { after: jobs.map((job) => ({ job })) } });
const HOURLY = { schedule: { every: '1h' } };

const answers = (cluster: Cluster): string[] =>
  cluster.acks.map(({ jobId, type, outcome, error }) => `${type} ${jobId}: ${error?.code ?? outcome}`);
const ended = (ack: Ack): string => ack.error?.code ?? ack.outcome;

describe('a job that runs after one that is not there yet', () => {
  it('is applied as soon as that one is, in whatever order the commands came', async () => {
    const cluster = await Cluster.up();
    const c = await cluster.schedule(afterAll('b'), { jobId: 'c' });
    const b = await cluster.schedule(afterAll('a', 'other'), { jobId: 'b' });
    await cluster.clock.advance(3_000);
    assert.deepEqual(answers(cluster), []);
    await cluster.put(HOURLY, { jobId: 'a' });
    await cluster.clock.advance(2_000);
    assert.deepEqual(answers(cluster), ['schedule a: applied'], 'one of its two is still missing');
    await cluster.put(HOURLY, { jobId: 'other' });
    assert.deepEqual([ended(await cluster.answer(b)), ended(await cluster.answer(c))], ['applied', 'applied']);
    assert.deepEqual(cluster.db.waiting, []);
    assert.ok(cluster.clock.now() - cluster.job('other').createdAt < 1_200);
  });

  it('is refused when that one has not come within ten seconds, with the record as it came', async () => {
    const cluster = await Cluster.up();
    const sent = cluster.clock.now();
    const b = await cluster.schedule(afterAll('a'), { jobId: 'b' });
    const { error } = await cluster.answer(b);
    assert.deepEqual([error?.code, error?.field], ['unknown_job', 'job.schedule.after']);
    const tookMs = cluster.clock.now() - sent;
    assert.ok(tookMs >= 10_000 && tookMs < 10_500, String(tookMs));
    await cluster.until(() => cluster.rejected.length === 1, 'it is among the rejected');
    assert.equal((JSON.parse(String(cluster.rejected[0]!.value)) as { commandId: string }).commandId, b);
    assert.equal(cluster.rejected[0]!.headers.belfry_origin_topic, cluster.topics.commands);
    assert.deepEqual(cluster.db.waiting, []);
  });

  it('keeps the order of its commands: what is said of it meanwhile waits behind it', async () => {
    const cluster = await Cluster.up();
    await cluster.schedule(afterAll('a'), { jobId: 'b', commandId: 'first' });
    await cluster.send({ type: 'pause', jobId: 'b' });
    await cluster.schedule({ ...HOURLY, payload: { n: 2 } }, { jobId: 'b', commandId: 'last' });
    await cluster.schedule(afterAll('a'), { jobId: 'b', commandId: 'first' });
    await cluster.clock.advance(4_000);
    assert.deepEqual(answers(cluster), []);
    await cluster.put(HOURLY, { jobId: 'a' });
    await cluster.answer('first', 2);
    assert.deepEqual(answers(cluster), [
      ...['schedule a: applied', 'schedule b: applied', 'pause b: applied'],
      ...['schedule b: applied', 'schedule b: duplicate'],
    ]);
    assert.deepEqual([cluster.job('b').state, cluster.job('b').spec.payload], ['PAUSED', { n: 2 }]);
  });

  it('that is refused leaves what stands behind it to be decided, each by itself', async () => {
    const cluster = await Cluster.up();
    await cluster.schedule(afterAll('a'), { jobId: 'b' });
    await cluster.clock.advance(5_000);
    await cluster.send({ type: 'trigger', jobId: 'b' });
    const last = await cluster.schedule(afterAll('a', 'z'), { jobId: 'b' });
    await cluster.clock.advance(7_000);
    assert.deepEqual(answers(cluster), ['schedule b: unknown_job', 'trigger b: unknown_job']);
    assert.equal(ended(await cluster.answer(last)), 'unknown_job');
    assert.deepEqual(cluster.db.waiting, []);
  });

  it('that stands behind another one waits for its own, and holds that one up no longer', async () => {
    const cluster = await Cluster.up();
    const first = await cluster.schedule(afterAll('a'), { jobId: 'b' });
    const second = await cluster.schedule(afterAll('z'), { jobId: 'b' });
    const paused = await cluster.send({ type: 'pause', jobId: 'b' });
    await cluster.put(HOURLY, { jobId: 'a' });
    assert.equal(ended(await cluster.answer(first)), 'applied');
    await cluster.clock.advance(2_000);
    assert.equal(cluster.acks.length, 2);
    await cluster.put(HOURLY, { jobId: 'z' });
    assert.deepEqual(
      [ended(await cluster.answer(second)), ended(await cluster.answer(paused))],
      ['applied', 'applied'],
    );
    assert.deepEqual([cluster.job('b').version, cluster.job('b').state], [2, 'PAUSED']);
  });

  it('waits no more than its time in all when its timer dies, and is applied once', async () => {
    const cluster = await Cluster.up();
    const b = await cluster.schedule(afterAll('a'), { jobId: 'b' });
    const lost = await cluster.schedule(afterAll('nobody'), { jobId: 'lost' });
    await cluster.until(() => cluster.db.waiting.length === 2, 'both wait');
    const begun = cluster.clock.now();
    cluster.nodes[0]!.kill();
    const heir = cluster.start();
    await cluster.schedule(HOURLY, { jobId: 'a' });
    await cluster.until(() => heir.timer.ready().ok, 'the heir has all');
    assert.deepEqual([ended(await cluster.answer(b)), ended(await cluster.answer(lost))], ['applied', 'unknown_job']);
    assert.ok(cluster.clock.now() - begun < 20_000);
    await cluster.clock.advance(20_000);
    assert.deepEqual([cluster.acks.length, cluster.job('b').version, cluster.db.waiting.length], [3, 1, 0]);
  });

  for (const when of ['before', 'after'] as const) {
    it(`is applied once though answers to steps are lost ${when} they take effect`, async () => {
      const cluster = await Cluster.up();
      let steps = 0;
      cluster.storeFault = (_node, method, at) => {
        if (method === 'step' && at === when && ++steps % 2 === 1 && steps < 30)
          throw new BelfryError('step_unclear', 'no answer', { retryable: true });
      };
      const ids = ['b', 'c', 'd'].map((jobId) => cluster.schedule(afterAll('a'), { jobId }));
      await cluster.schedule(HOURLY, { jobId: 'a' });
      for (const id of ids) assert.equal(ended(await cluster.answer(await id)), 'applied');
      await cluster.clock.advance(20_000);
      assert.deepEqual(
        ['b', 'c', 'd'].map((jobId) => cluster.job(jobId).version),
        [1, 1, 1],
      );
      assert.deepEqual(cluster.db.waiting, []);
    });
  }

  it('waits as well when it was enqueued in a transaction', async () => {
    const cluster = await Cluster.up();
    const job = { type: 'CUSTOM', handler: 'work', ...afterAll('a') };
    cluster.db.enqueue({ type: 'schedule', commandId: 'sent', tenant: 'acme', jobId: 'b', job, ack: true } as never);
    await cluster.until(() => cluster.db.waiting.length === 1, 'it waits');
    assert.deepEqual(cluster.db.enqueued, []);
    await cluster.put(HOURLY, { jobId: 'a' });
    assert.equal(ended(await cluster.answer('sent')), 'applied');
  });

  it('and that one waits for it: both are refused', async () => {
    const cluster = await Cluster.up();
    const b = await cluster.schedule(afterAll('a'), { jobId: 'b' });
    const a = await cluster.schedule(afterAll('b'), { jobId: 'a' });
    const codes = [ended(await cluster.answer(b)), ended(await cluster.answer(a))];
    assert.deepEqual(codes.sort(), ['cycle', 'unknown_job']);
  });
});

describe('many commands that wait', () => {
  it('of one tenant leave room for the others; those beyond its share are refused at once', async () => {
    const cluster = await Cluster.up();
    const all = Array.from({ length: 600 }, (_, n) => cluster.schedule(afterAll('nobody'), { jobId: `b-${n}` }));
    const others = Array.from({ length: 20 }, (_, n) =>
      cluster.schedule(afterAll('a'), { jobId: `o-${n}`, tenant: 'other' }),
    );
    await Promise.all([...all, ...others]);
    await cluster.clock.advance(1_000);
    assert.deepEqual(new Set(cluster.acks.map(({ tenant }) => tenant)), new Set(['acme']));
    assert.equal(cluster.db.waiting.filter(({ tenant }) => tenant === 'acme').length, 4 * 64);
    assert.equal(cluster.acks.length, 600 - 4 * 64);
    await cluster.schedule(HOURLY, { jobId: 'a', tenant: 'other' });
    for (const id of others) assert.equal(ended(await cluster.answer(await id)), 'applied');
    await cluster.clock.advance(11_000);
    assert.deepEqual([cluster.db.waiting.length, cluster.acks.length], [0, 621]);
  });

  it('hold up nothing else: other jobs of the partition are scheduled, and run', async () => {
    const cluster = await Cluster.up();
    for (let n = 0; n < 100; n++) await cluster.schedule(afterAll('nobody'), { jobId: `b-${n}` });
    const ack = await cluster.put({ schedule: { every: '1s' }, overlap: 'allow' });
    assert.equal(ack.outcome, 'applied');
    await cluster.dueCount(5, 7_000);
  });
});
