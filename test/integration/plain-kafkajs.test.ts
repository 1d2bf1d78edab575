import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { consoleTool } from './support/console-tool.ts';
import { TestDeployment } from './support/deployment.ts';

/** What a team does that reads the README and has no Belfry code: topics, JSON, headers. */
describe('programs without Belfry code', { timeout: 90_000 }, () => {
  let belfry: TestDeployment;
  let kafka: Kafka;
  before(async () => {
    belfry = await TestDeployment.create();
    await Promise.all([belfry.timer(), belfry.executor()]);
    kafka = new Kafka({ brokers: (belfry.env.KAFKA_BROKERS ?? '').split(','), logLevel: logLevel.NOTHING });
  });
  after(() => belfry.destroy());

  it('publish commands and subscribe to outcomes with plain kafkajs', async () => {
    const consumer = kafka.consumer({ groupId: `${belfry.topics.completed}-subscriber` });
    await consumer.connect();
    await consumer.subscribe({ topic: belfry.topics.completed, fromBeginning: true });
    const heard = new Promise<{ headers: Record<string, string>; event: Record<string, unknown> }>((resolve) => {
      void consumer.run({
        eachMessage: async ({ message }) => {
          if (message.key?.toString() !== 'default/plain-1') return;
          const headers = Object.fromEntries(
            Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
          );
          resolve({ headers, event: JSON.parse(message.value?.toString() ?? '') as Record<string, unknown> });
        },
      });
    });
    const producer = kafka.producer();
    await producer.connect();
    const command = {
      type: 'schedule',
      commandId: 'c-1',
      tenant: 'default',
      jobId: 'plain-1',
      job: { type: 'CUSTOM', handler: 'noop', schedule: { in: '1s' } },
    };
    await producer.send({
      topic: belfry.topics.commands,
      messages: [{ key: 'default/plain-1', value: JSON.stringify(command) }],
    });
    const { headers, event } = await heard;
    assert.deepEqual(
      [event.status, event.jobId, event.trigger, event.attempt, event.result],
      ['COMPLETED', 'plain-1', 'schedule', 1, { done: true }],
    );
    assert.deepEqual(
      [headers.ce_type, headers.ce_id, headers.ce_specversion],
      ['belfry.run.completed.v1', event.eventId, '1.0'],
    );
    await Promise.all([producer.disconnect(), consumer.disconnect()]);
  });

  it('a console producer with a one-line JSON command, without key or headers, schedules a job', async () => {
    const child = await consoleTool('org.apache.kafka.tools.ConsoleProducer', [
      ...['--bootstrap-server', belfry.env.KAFKA_BROKERS ?? ''],
      ...['--topic', belfry.topics.commands],
    ]);
    // Without keys it picks partitions as it likes: most of these have to be forwarded to the job's own.
    for (let index = 0; index < 5; index += 1) {
      child.stdin.write(
        `{"type":"schedule","commandId":"console-${index}","jobId":"console-${index}","job":{"type":"CUSTOM","handler":"noop","schedule":{"in":"100ms"}}}\n`,
      );
    }
    child.stdin.end();
    await belfry.until(
      'all five completed',
      (outcomes) =>
        new Set(
          outcomes
            .filter(({ jobId, status }) => jobId.startsWith('console-') && status === 'COMPLETED')
            .map(({ jobId }) => jobId),
        ).size === 5,
    );
  });

  it('a malformed, oversized or contradictory command lands on job.commands.rejected with its reason, and stops nothing', async () => {
    const consumer = kafka.consumer({ groupId: `${belfry.topics.rejected}-subscriber` });
    await consumer.connect();
    await consumer.subscribe({ topic: belfry.topics.rejected, fromBeginning: true });
    const codes = new Map<string, string>();
    const bad: Record<string, Buffer | null> = {
      unreadable: Buffer.from('{"type": "sched'),
      tombstone: null,
      empty: Buffer.alloc(0),
      binary: Buffer.from([0xff, 0xfe, 0x00]),
      avro: Buffer.from([0, 0, 0, 0, 99, 1, 2]),
      invalid: Buffer.from(
        '{"type":"schedule","commandId":"x","jobId":"x","job":{"type":"CUSTOM","handler":"h","schedule":{"delay":"5m"}}}',
      ),
      unknown: Buffer.from('{"type":"explode","commandId":"x","jobId":"x"}'),
      unknown_job: Buffer.from('{"type":"pause","commandId":"x","jobId":"nobody"}'),
      never: Buffer.from(
        '{"type":"schedule","commandId":"y","jobId":"y","job":{"type":"CUSTOM","handler":"h","schedule":{"cron":"0 0 30 2 *"}}}',
      ),
      later: Buffer.from(
        '{"type":"schedule","commandId":"z","jobId":"z","job":{"type":"CUSTOM","handler":"h","schedule":{"after":[{"job":"a"}]}}}',
      ),
      large: Buffer.from(`{"type":"schedule","pad":"${'x'.repeat(600 * 1024)}"}`),
    };
    const all = new Promise<void>((resolve) => {
      void consumer.run({
        eachMessage: async ({ message }) => {
          const name = message.headers?.['x-test']?.toString();
          if (name === undefined) return;
          codes.set(
            name,
            `${String(message.headers?.belfry_error_code)}: ${String(message.headers?.belfry_error_message)}`,
          );
          assert.ok(message.headers?.belfry_origin_offset !== undefined);
          assert.deepEqual(message.value, bad[name]);
          if (codes.size === Object.keys(bad).length) resolve();
        },
      });
    });
    const producer = kafka.producer();
    await producer.connect();
    const messages = Object.entries(bad).map(([name, value]) => ({ value, headers: { 'x-test': name } }));
    await producer.send({ topic: belfry.topics.commands, messages });
    await all;
    const codeOf = (name: string): string => codes.get(name)?.split(':')[0] ?? '';
    assert.deepEqual(Object.fromEntries([...codes.keys()].sort().map((name) => [name, codeOf(name)])), {
      avro: 'unreadable',
      binary: 'unreadable',
      empty: 'unreadable',
      invalid: 'invalid',
      large: 'too_large',
      later: 'unknown_job',
      never: 'never_fires',
      tombstone: 'unreadable',
      unknown: 'invalid',
      unknown_job: 'unknown_job',
      unreadable: 'unreadable',
    });
    assert.match(codes.get('invalid') ?? '', /did you mean in or fixedDelay/);
    const { outcome } = await belfry.client.schedule('still-alive', {
      type: 'CUSTOM',
      handler: 'noop',
      schedule: { in: '1h' },
    });
    assert.equal(outcome, 'applied');
    await Promise.all([producer.disconnect(), consumer.disconnect()]);
  });
});
