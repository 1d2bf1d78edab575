import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { SystemClock } from '../../services/adapters/clock.ts';
import { consoleTool } from './support/console-tool.ts';
import { SILENT, TestDeployment } from './support/deployment.ts';

const MESSAGES = 1_000;
const PER_SECOND = 100;

describe('KAFKA_MESSAGE jobs', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 6 });
  });
  after(() => belfry.destroy());

  it(`1,000 messages at 100/s reach a read_committed reader exactly once each, while timers are killed and frozen in turn`, async (t) => {
    const topic = `${belfry.env.BELFRY_TOPIC_PREFIX}target`;
    await makeTopic(belfry, topic);
    const seen = new Map<string, number>();
    let heard = (): void => undefined;
    // Kafka's own reader: where aborted transactions of several timers overlap, kafkajs shows records of them.
    const reader = await consoleTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', belfry.env.KAFKA_BROKERS ?? '', '--topic', topic],
      ...['--from-beginning', '--isolation-level', 'read_committed'],
    ]);
    t.after(() => reader.kill());
    createInterface(reader.stdout).on('line', (id) => {
      seen.set(id, (seen.get(id) ?? 0) + 1);
      heard();
    });
    let timers = await Promise.all([belfry.timer(), belfry.timer()]);
    const firstAt = Date.now() + 6_000;
    const jobs = Array.from({ length: MESSAGES }, (_, index) => ({
      jobId: `message-${index}`,
      job: {
        type: 'KAFKA_MESSAGE' as const,
        payload: { topic, key: `k${index % 17}`, value: `m${index}` },
        schedule: { at: new Date(firstAt + (index * 1_000) / PER_SECOND).toISOString() },
      },
    }));
    const results = await belfry.client.scheduleMany(jobs);
    assert.ok(results.every(({ status }) => status === 'fulfilled'));
    const faults = (async () => {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, firstAt - Date.now()) + 1_500));
      await timers[0]?.kill('SIGKILL');
      timers = [timers[1], await belfry.timer()];
      timers[0]?.freeze();
      const owner = `SELECT WHERE NOT EXISTS (SELECT FROM owners WHERE instance LIKE $1)`;
      await belfry.untilRow('others have its partitions', owner, [`%:${timers[0].pid}:%`], 30_000);
      timers[0]?.thaw();
      await timers[1]?.kill('SIGKILL');
      timers.push(await belfry.timer());
    })();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${seen.size} of ${MESSAGES} messages came`)), 90_000);
      heard = () => seen.size === MESSAGES && (clearTimeout(timer), resolve());
      heard();
    });
    await faults;
    await belfry.untilRuns(MESSAGES, 'COMPLETED', 30_000);
    await belfry.untilRow(
      'every run has its row',
      `SELECT 1 FROM runs WHERE status = 'COMPLETED' HAVING count(*) = ${MESSAGES}`,
    );
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
      'messages seen more than once',
    );
  });

  it('one whose topic is deleted meanwhile ends FAILED (publish_failed), and the others go on', async () => {
    const topic = `${belfry.env.BELFRY_TOPIC_PREFIX}missing`;
    await belfry.client
      .schedule('to-nowhere', { type: 'KAFKA_MESSAGE', payload: { topic, value: 'x' }, schedule: { in: '100ms' } })
      .catch(() => undefined);
    await belfry.until('failed', (outcomes) =>
      outcomes.some(({ jobId, error }) => jobId === 'to-nowhere' && error?.code === 'publish_failed'),
    );
  });
});

async function makeTopic(belfry: TestDeployment, topic: string): Promise<void> {
  const brokers = (belfry.env.KAFKA_BROKERS ?? '').split(',');
  const admin = new KafkaAdmin({ config: { brokers, clientId: 'test' }, log: SILENT, clock: new SystemClock() });
  await admin.ensureTopics([{ topic, partitions: 3, replicationFactor: 1, configs: {} }]);
  await admin.close();
}
