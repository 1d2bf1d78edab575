/* eslint-disable @typescript-eslint/no-unsafe-member-access -- answers of the API are held against its OpenAPI document, not against types */
/** Events and backfill, through real Kafka and PostgreSQL: every way in, and topics of the user's own. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { SILENT, TestDeployment } from './support/deployment.ts';
import { HttpApi } from './support/http-api.ts';
import { custom } from './support/jobs.ts';

const HOUR = 3_600_000;

describe('events', { timeout: 240_000 }, () => {
  let belfry: TestDeployment;
  let api: HttpApi;
  let source: string;
  let kafka: Kafka;

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4 });
    source = `${belfry.env.BELFRY_TOPIC_PREFIX}shop-orders`;
    const brokers = belfry.env.KAFKA_BROKERS!.split(',');
    kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const admin = new KafkaAdmin({ config: { brokers, clientId: 'test' }, log: SILENT });
    await admin.ensureTopics([{ topic: source, partitions: 3, replicationFactor: 1, configs: {} }]);
    await admin.close();
    belfry.env.BELFRY_EVENT_SOURCES = `${source}=order.made`;
    const key = await belfry.key(['admin']);
    const [service] = await Promise.all([belfry.api(), belfry.timer(), belfry.executor()]);
    api = await HttpApi.at(await service.port, key);
  });
  after(() => belfry.destroy());

  const outcomesOf = (jobId: string) => belfry.outcomes.filter((outcome) => outcome.jobId === jobId);
  const runsOf = async (jobId: string, count: number) => {
    await belfry.until(
      `${count} runs of ${jobId}`,
      () => new Set(outcomesOf(jobId).map(({ runId }) => runId)).size >= count,
    );
    return [...new Map(outcomesOf(jobId).map((outcome) => [outcome.runId, outcome])).values()];
  };
  const produce = async (
    topic: string,
    messages: { key?: string; value: string | Buffer; headers?: Record<string, string> }[],
  ) => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages });
    await producer.disconnect();
  };

  it('come by the client, plain Kafka and HTTP, and run whoever listens, with their payload', async () => {
    await belfry.client.schedule('welcome', custom('event', { on: 'user.signup', filter: 'event.plan == "pro"' }));
    const emitted = await belfry.client.emit('user.signup', { plan: 'pro' }, { eventId: 'by-client' });
    assert.deepEqual([emitted.outcome, emitted.matched], ['applied', 1]);
    assert.equal((await belfry.client.emit('user.signup', { plan: 'free' })).matched, 0);
    const again = await belfry.client.emit('user.signup', { plan: 'pro' }, { eventId: 'by-client' });
    assert.deepEqual([again.outcome, again.matched], ['duplicate', null]);
    const command = { type: 'emit', commandId: 'by-kafka', event: 'user.signup', payload: { plan: 'pro' } };
    await produce(belfry.topics.commands, [{ key: 'default/user.signup', value: JSON.stringify(command) }]);
    const body = { eventId: 'by-http', payload: { plan: 'pro' } };
    const answer = await api.ask('POST', '/api/events/user.signup', { body });
    assert.deepEqual([answer.status, answer.body.outcome, answer.body.matched], [200, 'applied', 1]);
    const runs = await runsOf('welcome', 3);
    const results = new Map(runs.map(({ cause, trigger, result }) => [cause, [trigger, result]]));
    for (const id of ['by-client', 'by-kafka', 'by-http'])
      assert.deepEqual(results.get(id), ['event', { name: 'user.signup', id, payload: { plan: 'pro' } }]);
    const refused = await api.ask('POST', '/api/events/a b', { body: {} });
    assert.equal(refused.status, 400);
  });

  it('wait as long as their job says', async () => {
    await belfry.client.schedule('later', custom('event', { on: 'user.left', wait: '2s' }));
    const before = Date.now();
    await belfry.client.emit('user.left');
    const [run] = await runsOf('later', 1);
    assert.ok(run!.startedAt! >= run!.scheduledFor && run!.scheduledFor - before >= 1_900);
  });

  it('reach a job that was answered before, and none that was cancelled', async () => {
    for (let round = 0; round < 20; round++) {
      const jobId = `round-${round}`;
      await belfry.client.schedule(jobId, custom('noop', { on: 'round' }));
      assert.equal((await belfry.client.emit('round')).matched, 1);
      await belfry.client.cancel(jobId);
      assert.equal((await belfry.client.emit('round')).matched, 0);
    }
  });

  it('are made of the records of a topic, each once, also when the timer is killed meanwhile', async () => {
    await belfry.client.schedule('orders', custom('event', { on: 'order.made' }));
    const count = 300;
    const batch = (from: number) =>
      Array.from({ length: 100 }, (_, n) => ({
        key: `k-${from + n}`,
        value: `{"n":${from + n}}`,
        headers: { h: '1' },
      }));
    await produce(source, batch(0));
    await runsOf('orders', 1);
    const heir = belfry.timer();
    await produce(source, batch(100));
    await belfry.services.find(({ name }) => name.startsWith('timer'))!.kill('SIGKILL');
    await produce(source, batch(200));
    await heir;
    const runs = await runsOf('orders', count);
    await produce(source, [{ value: Buffer.from([255]) }]);
    const all = await runsOf('orders', count + 1);
    const payloads = runs.map(
      ({ result }) => (result as { payload: { value: { n: number }; key: string; headers: object } }).payload,
    );
    assert.deepEqual(
      payloads.map(({ value }) => value.n).sort((a, b) => a - b),
      Array.from({ length: count }, (_, n) => n),
    );
    assert.ok(
      payloads.every(({ key, value, headers }) => key === `k-${value.n}` && (headers as { h: string }).h === '1'),
    );
    assert.equal(all.length, count + 1);
    assert.ok(all.some(({ result }) => (result as { payload: { base64?: string } }).payload.base64 === '/w=='));
    assert.deepEqual(new Set(all.map(({ cause }) => cause)).size, count + 1);
  });

  it('backfill runs occurrences that passed without a run, once; a dry run only tells them', async () => {
    const begin = Math.floor(Date.now() / HOUR) * HOUR - 5 * HOUR;
    const iso = (ms: number) => new Date(ms).toISOString();
    await belfry.client.schedule('report', custom('record', { every: '1h', startAt: iso(begin) }));
    const span = { from: iso(begin), to: iso(begin + 3 * HOUR) };
    const wanted = [0, 1, 2].map((n) => iso(begin + n * HOUR));
    const dry = await api.ask('POST', '/api/jobs/report/backfill', { body: { ...span, dryRun: true } });
    assert.deepEqual([dry.status, dry.body.occurrences], [200, wanted]);
    const refused = await api.ask('POST', '/api/jobs/report/backfill', { body: { ...span, limit: 2 } });
    assert.deepEqual([refused.status, refused.body.type], [400, 'urn:belfry:problem:invalid']);
    const done = await belfry.client.backfill('report', span);
    assert.deepEqual(
      done.occurrences.map((at) => at.toISOString()),
      wanted,
    );
    const runs = await runsOf('report', 3);
    assert.deepEqual(
      runs.map(({ trigger, scheduledFor }) => `${trigger} ${iso(scheduledFor)}`),
      wanted.map((at) => `backfill ${at}`),
    );
    assert.deepEqual(
      await belfry.rows(`SELECT count(*)::int FROM run_history WHERE job_id = 'report' AND trigger = 'backfill'`),
      [{ count: 3 }],
    );
    const starts = await belfry.rows<{ scheduled_for: Date }>(
      `SELECT scheduled_for FROM sink WHERE job_id = 'report' ORDER BY at`,
    );
    assert.deepEqual(
      starts.map((row) => row.scheduled_for.toISOString()),
      wanted,
    );
    assert.equal((await belfry.client.backfill('report', span)).occurrences.length, 0);
  });

  it('reach 10,000 jobs, each once', async () => {
    const count = 10_000;
    const commands = Array.from({ length: count }, (_, n) => ({
      jobId: `crowd-${n}`,
      job: custom('noop', { on: 'crowd' }),
    }));
    const answers = await belfry.client.scheduleMany(
      commands.map((each) => ({ ...each, options: { timeoutMs: 60_000 } })),
    );
    assert.ok(answers.every(({ status }) => status === 'fulfilled'));
    const emitted = await belfry.client.emit('crowd', { n: 1 }, { timeoutMs: 60_000 });
    assert.equal(emitted.matched, count);
    await belfry.until('all have run', () => belfry.distinct('COMPLETED').size >= count, 60_000);
    const query = `SELECT count(*)::int AS runs, count(DISTINCT job_id)::int AS jobs FROM runs WHERE job_id LIKE 'crowd-%'`;
    await belfry.untilRow('all have a row', `SELECT 1 FROM (${query}) AS x WHERE jobs = ${count}`);
    assert.deepEqual(await belfry.rows(query), [{ runs: count, jobs: count }]);
  });
});
