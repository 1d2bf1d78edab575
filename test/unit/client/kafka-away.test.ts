/** The client while Kafka fails: on a broker in memory whose answers can be held up or refused, on virtual time. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import { BelfryClient } from '../../../services/client/client.ts';
import { KafkaTransport } from '../../../services/client/kafka-transport.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Broker, Producer } from '../../../services/core/ports/broker.ts';
import type { OutgoingRecord } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG } from '../cli/support.ts';

const JOB = { type: 'CUSTOM', handler: 'greet', schedule: { in: '5s' } } as const;
const NEVER = new Promise<never>(() => undefined);
const topics = topicsOf('');
const codec = jsonCodec();
const away = (): BelfryError => new BelfryError('broker_unavailable', 'Kafka is away', { retryable: true });

type Command = { commandId: string; tenant: string; jobId: string };

describe('the client, while Kafka is away', () => {
  let clock: VirtualClock;
  let client: BelfryClient;
  let transport: KafkaTransport;
  let applied: string[];
  let closed: string[];
  /** How long the timer takes for one command, ms; null: it does not answer. */
  let perCommandMs: number | null;
  /** What stands between the client and the broker. */
  let broker: Broker;
  let around: Partial<Broker> & { send?: (records: readonly OutgoingRecord[]) => Promise<void> };

  beforeEach(async () => {
    clock = new VirtualClock();
    [applied, closed, perCommandMs, around] = [[], [], 1, {}];
    const cluster = new MemoryBroker({ clock, latencyMs: 1 });
    for (const topic of [topics.commands, topics.acks, topics.completed]) cluster.createTopic(topic, 3);
    clock.start();
    const server = cluster.client('timer');
    const answers = await server.producer();
    let freeAt = 0;
    await server.tail({
      topics: [topics.commands],
      from: 'beginning',
      isolation: 'read_uncommitted',
      onRecord: ({ value, key, partition }) => {
        const { commandId, tenant, jobId } = JSON.parse(String(value)) as Command;
        applied.push(jobId);
        if (perCommandMs === null) return;
        const job = { state: 'SCHEDULED', version: 1, nextFireAt: null } as const;
        const ack = { commandId, tenant, jobId, outcome: 'applied', error: null, job, matched: null } as const;
        const answer = codec.encodeAck({ ...ack, occurrences: null });
        freeAt = Math.max(freeAt, clock.now()) + perCommandMs;
        clock.after(freeAt - clock.now(), () => {
          void answers.send([{ topic: topics.acks, partition, key, value: answer, headers: {} }]);
        });
      },
    });
    const inner = cluster.client('client');
    broker = {
      producer: async (): Promise<Producer> => {
        const producer = await (around.producer?.() ?? inner.producer());
        const send: Producer['send'] = (records) => (around.send ?? ((all) => producer.send(all)))(records);
        return { send, close: async () => void closed.push('producer') };
      },
      tail: async (options) => {
        const tail = await (around.tail?.(options) ?? inner.tail(options));
        return { close: async () => (closed.push('tail'), tail.close()) };
      },
      partitions: (topic) => around.partitions?.(topic) ?? inner.partitions(topic),
      transactional: () => assert.fail('no transactions'),
      fence: () => assert.fail('no transactions'),
      group: () => assert.fail('no groups'),
      committed: () => assert.fail('no groups'),
      logRange: (topic) => inner.logRange(topic),
      close: async () => (closed.push('broker'), inner.close()),
    };
    transport = new KafkaTransport({ broker, codec, clock, log: NO_LOG, topics });
    let made = 0;
    client = new BelfryClient({ transport, ids: { uuid: () => `id-${(made += 1)}`, random: () => 0 } });
  });
  afterEach(() => clock.stop());

  for (const part of ['tail', 'producer', 'partitions'] as const) {
    it(`goes on after its first open of the ${part} failed`, async () => {
      around = { [part]: () => Promise.reject(away()) };
      await assert.rejects(client.schedule('first', JOB), { code: 'broker_unavailable' });
      around = {};
      assert.equal((await client.schedule('second', JOB)).outcome, 'applied');
    });

    it(`keeps a command's deadline while it waits for the ${part}, and never sends what it gave up`, async () => {
      const opened = Promise.withResolvers<void>();
      around = { [part]: () => opened.promise.then(() => undefined as never) };
      const began = clock.now();
      const error = {
        code: 'broker_unavailable',
        retryable: true,
        message: /within 2000 ms: the command was not sent/,
      };
      await assert.rejects(client.schedule('late', JOB, { timeoutMs: 2_000 }), {
        ...error,
        ids: { commandId: 'id-1' },
      });
      assert.equal(clock.now() - began, 2_000);
      around = {};
      opened.reject(away());
      await client.schedule('next', JOB);
      assert.deepEqual(applied, ['next']);
    });
  }

  it('says that a command may have been applied which Kafka did not confirm in time', async () => {
    around.send = () => NEVER;
    await assert.rejects(client.pause('a', { timeoutMs: 500 }), {
      code: 'broker_unavailable',
      retryable: true,
      message: /did not confirm.*within 500 ms.*may be applied.*same commandId is safe/,
    });
  });

  it('says that a command may have been applied whose answer did not come in time', async () => {
    perCommandMs = null;
    await assert.rejects(client.pause('a', { timeoutMs: 500 }), {
      code: 'no_answer',
      message: /on job\.commands: it may have been applied already, or will be/,
    });
  });

  it('starts the time of each of many when it is sent: none of 1,500 is given up that are applied in time', async () => {
    const jobs = Array.from({ length: 1_500 }, (_, n) => ({
      jobId: `job-${n}`,
      job: JOB,
      options: { timeoutMs: 1_000 },
    }));
    const results = await client.scheduleMany(jobs);
    const given = results.filter(({ status }) => status === 'rejected');
    assert.deepEqual([given, applied.length], [[], 1_500]);
  });

  it('tells only those of whom Kafka refuses the record, not the others of its batch', async () => {
    const inner = around;
    const write = await broker.producer();
    around.send = async (records) => {
      if (records.some(({ value }) => value?.includes('too large')))
        throw new BelfryError('record_refused', 'MESSAGE_TOO_LARGE', { ids: { topic: topics.commands } });
      delete inner.send;
      await write.send(records);
    };
    const refused = assert.rejects(client.trigger('a', { payload: 'too large' }), { code: 'record_refused' });
    assert.equal((await client.trigger('b', { payload: 'small' })).outcome, 'applied');
    await refused;
  });

  it('sends 400 commands of which Kafka refuses one in about 2 log n requests', async () => {
    const write = await broker.producer();
    let sends = 0;
    const send = async (records: readonly OutgoingRecord[]): Promise<void> => {
      sends++;
      if (records.some(({ value }) => value?.includes('too large')))
        throw new BelfryError('record_refused', 'MESSAGE_TOO_LARGE', { ids: { topic: topics.commands } });
      delete around.send;
      await write.send(records);
      around.send = send;
    };
    around.send = send;
    const payloads = Array.from({ length: 400 }, (_, n) => (n === 123 ? 'too large' : 'small'));
    const results = await Promise.allSettled(payloads.map((payload, n) => client.trigger(`job-${n}`, { payload })));
    assert.deepEqual(
      results.flatMap(({ status }, n) => (status === 'rejected' ? n : [])),
      [123],
    );
    assert.ok(sends <= 20, `${sends} requests`);
  });

  it('closes all it has, whatever of it fails, and then says so', async () => {
    around.tail = async () => ({ close: () => Promise.reject(new Error('the reader does not close')) });
    await transport.open();
    await client.onOutcome(() => undefined);
    await assert.rejects(client.close(), /the reader does not close/);
    assert.deepEqual(closed.toSorted(), ['broker', 'producer', 'tail', 'tail']);
  });

  it('closes while it still waits for Kafka, and says of each command whether it was sent', async () => {
    const aborted = Promise.withResolvers<never>();
    around.producer = () => aborted.promise;
    broker.close = async () => aborted.reject(away());
    const waiting = assert.rejects(client.pause('a'), { code: 'closed', message: /It was not sent/ });
    await clock.sleep(100);
    await client.close();
    await waiting;
    await assert.rejects(client.pause('b'), { code: 'closed' });
  });
});
