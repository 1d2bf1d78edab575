/** The client on a broker in memory; a small timer of the test's answers its commands. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import type { MemoryBrokerClient } from '../../../services/adapters/memory/broker-client.ts';
import { BelfryClient } from '../../../services/client/client.ts';
import { KafkaTransport } from '../../../services/client/kafka-transport.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { Ack, Outcome, Rejection } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { NO_LOG, outcome as outcomeOf } from '../cli/support.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const PARTITIONS = 4;
const JOB = { type: 'CUSTOM', handler: 'greet', schedule: { in: '5s' } } as const;
const topics = topicsOf('');
const codec = jsonCodec();

type Command = { type: string; commandId: string; tenant: string; jobId: string; ack: boolean } & Record<
  string,
  unknown
>;
type Answer = Partial<Ack> | null;

const NOTHING = { matched: null, occurrences: null };

describe('the client', () => {
  let clock: VirtualClock;
  let server: MemoryBrokerClient;
  let client: BelfryClient;
  let commands: (Command & { partition: number; key: string })[];
  let answer: (command: Command) => Answer;

  beforeEach(async () => {
    clock = new VirtualClock();
    const broker = new MemoryBroker({ clock, latencyMs: 1 });
    for (const topic of [topics.commands, topics.acks, topics.completed]) broker.createTopic(topic, PARTITIONS);
    clock.start();
    server = broker.client('timer');
    let made = 0;
    const ids = { uuid: () => `id-${(made += 1)}`, random: () => 0 };
    client = new BelfryClient({
      transport: new KafkaTransport({ broker: broker.client('client'), codec, clock, log: NO_LOG, topics }),
      ids,
    });
    commands = [];
    answer = () => ({});
    const producer = await server.producer();
    await server.tail({
      topics: [topics.commands],
      from: 'beginning',
      isolation: 'read_uncommitted',
      onRecord: ({ value, key, partition }) => {
        const command = JSON.parse(String(value)) as Command;
        commands.push({ ...command, partition, key: String(key) });
        const ack = answer(command);
        if (ack === null) return;
        const { commandId, tenant, jobId } = command;
        const job = { state: 'SCHEDULED', version: 1, nextFireAt: clock.now() } as const;
        const whole = { commandId, tenant, jobId, outcome: 'applied' as const, error: null, job, ...NOTHING, ...ack };
        void producer.send([{ topic: topics.acks, partition, key, value: codec.encodeAck(whole), headers: {} }]);
      },
    });
  });
  afterEach(() => clock.stop());

  async function tell(...outcomes: Outcome[]): Promise<void> {
    const producer = await server.producer();
    const partition = 0;
    await producer.send(
      outcomes.map((each) => {
        const key = Buffer.from(`${each.tenant}/${each.jobId}`);
        return { topic: topics.completed, partition, key, value: codec.encodeOutcome(each), headers: {} };
      }),
    );
  }

  it('gives commands of different types under one id each its own answer', async () => {
    answer = ({ type }) => ({ type, outcome: type === 'pause' ? 'unchanged' : 'applied' });
    const one = { commandId: 'one' };
    const results = await Promise.all([
      client.schedule('a', JOB, one),
      client.pause('a', one),
      client.cancel('a', one),
    ]);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['applied', 'unchanged', 'applied'],
    );
  });

  it('takes the answer of a timer that does not say of which type it is', async () => {
    answer = () => ({ outcome: 'unchanged' });
    assert.equal((await client.pause('a')).outcome, 'unchanged');
  });

  it('sends a command to its job and resolves with the job as it is when the command was applied', async () => {
    const result = await client.schedule('hello', JOB, { ifExists: 'keep' });
    const { commandId, tenant, jobId, outcome, state, version, nextFireAt } = result;
    assert.deepEqual([commandId, tenant, jobId], ['id-1', 'default', 'hello']);
    assert.deepEqual([outcome, state, version], ['applied', 'SCHEDULED', 1]);
    assert.ok(nextFireAt instanceof Date);
    const { partition, key, ...command } = commands[0]!;
    assert.deepEqual([key, partition], ['default/hello', partitionOf('default/hello', PARTITIONS)]);
    const expected = { type: 'schedule', commandId, tenant, jobId, ack: true, job: JOB, ifExists: 'keep' };
    assert.deepEqual(command, expected, 'and nothing that was not said');
  });

  it('sends every kind of command with its own fields', async () => {
    await client.cancel('a', { tenant: 'acme', commandId: 'mine' });
    await client.pause('a');
    await client.resume('a');
    await client.trigger('a', { payload: { n: 1 }, overlap: 'allow' });
    await client.replay('a', 'run-1', { force: true });
    const bare = commands.map(({ type, tenant, payload, overlap, runId, force }) =>
      Object.fromEntries(
        Object.entries({ type, tenant, payload, overlap, runId, force }).filter(([, v]) => v !== undefined),
      ),
    );
    assert.equal(commands[0]?.commandId, 'mine');
    assert.deepEqual(bare, [
      { type: 'cancel', tenant: 'acme' },
      { type: 'pause', tenant: 'default' },
      { type: 'resume', tenant: 'default' },
      { type: 'trigger', tenant: 'default', payload: { n: 1 }, overlap: 'allow' },
      { type: 'replay', tenant: 'default', runId: 'run-1', force: true },
    ]);
  });

  it('throws what was refused, with its code, its field and its ids', async () => {
    const error: Rejection = {
      code: 'invalid',
      message: 'job.schedule.in: "soon" is no duration',
      field: 'job.schedule.in',
    };
    answer = () => ({ outcome: 'rejected', error, job: null });
    await assert.rejects(client.schedule('hello', JOB), {
      name: 'BelfryError',
      ...error,
      retryable: false,
      ids: { commandId: 'id-1', tenant: 'default', jobId: 'hello' },
    });
  });

  it('throws no_answer when no timer answers in time, and may be asked again', async () => {
    answer = () => null;
    const before = clock.now();
    await assert.rejects(client.pause('hello', { timeoutMs: 2_000 }), {
      code: 'no_answer',
      retryable: true,
      ids: { commandId: 'id-1' },
      message: /within 2000 ms.*job\.commands: it may have been applied already, or will be/,
    });
    assert.ok(clock.now() - before >= 2_000);
    answer = () => ({ outcome: 'duplicate' });
    assert.equal((await client.pause('hello', { commandId: 'id-1' })).outcome, 'duplicate');
  });

  it('two who use one command id, for two jobs or for one, each get their answer', async () => {
    answer = ({ jobId }) => ({ outcome: jobId === 'one' ? 'applied' : 'unchanged' });
    const send = (jobId: string) => client.pause(jobId, { commandId: 'mine' });
    const results = await Promise.all([send('one'), send('two'), send('one')]);
    assert.deepEqual(
      results.map(({ jobId, outcome }) => [jobId, outcome]),
      [
        ['one', 'applied'],
        ['two', 'unchanged'],
        ['one', 'applied'],
      ],
    );
  });

  it('schedules many at once; one that is refused does not stop the others', async () => {
    answer = ({ jobId }) =>
      jobId === 'job-1' ? { outcome: 'rejected', error: { code: 'conflict', message: 'it exists' }, job: null } : {};
    const results = await client.scheduleMany([0, 1, 2].map((n) => ({ jobId: `job-${n}`, job: JOB })));
    assert.deepEqual(
      results.map((result) =>
        result.status === 'fulfilled' ? result.value.jobId : (result.reason as { code: string }).code,
      ),
      ['job-0', 'conflict', 'job-2'],
    );
  });

  it('writes a command into the transaction of a connection that it is given, and waits for no answer', async () => {
    const queries: [string, string][] = [];
    const pg = { query: async (text: string, [value]: unknown[]) => void queries.push([text, value as string]) };
    const result = await client.schedule('hello', { type: 'CUSTOM', handler: 'x', schedule: { in: '1s' } }, { pg });
    assert.deepEqual([result.outcome, result.state], ['enqueued', null]);
    const [[text, value]] = queries as [[string, string]];
    assert.equal(text, 'SELECT belfry.enqueue($1)');
    const { type, jobId, commandId, ack } = JSON.parse(value) as Record<string, unknown>;
    assert.deepEqual([type, jobId, commandId, ack], ['schedule', 'hello', result.commandId, undefined]);
    assert.deepEqual(commands, []);
    const refusing = {
      query: () => Promise.reject(Object.assign(new Error('belfry: type must be'), { code: '22023' })),
    };
    await assert.rejects(client.cancel('hello', { pg: refusing }), { code: 'invalid', message: 'type must be' });
  });

  it('says that there is no deployment where the topic of commands is missing', async () => {
    const empty = new MemoryBroker({ clock }).client();
    const ids = { uuid: () => 'id', random: () => 0 };
    const lost = new BelfryClient({
      transport: new KafkaTransport({ broker: empty, codec, clock, log: NO_LOG, topics }),
      ids,
    });
    await assert.rejects(lost.cancel('hello'), {
      code: 'not_migrated',
      message: /belfry migrate.*BELFRY_TOPIC_PREFIX/,
    });
    await assert.rejects(
      lost.onCompleted(() => undefined),
      { code: 'not_migrated', message: /job\.completed/ },
    );
  });

  it('hears the outcomes that it asked for, in their order, until it stops listening', async () => {
    const heard: string[] = [];
    const completed: string[] = [];
    const stop = await client.onOutcome(({ runId }) => heard.push(runId), {
      statuses: ['FAILED', 'CANCELLED'],
      tenant: 'acme',
      jobId: 'report',
    });
    await client.onCompleted(({ runId }) => completed.push(runId));
    const failed = { tenant: 'acme', jobId: 'report', status: 'FAILED' } as const;
    await tell(
      outcomeOf({ ...failed, runId: 'first' }),
      outcomeOf({ ...failed, runId: 'another status', status: 'COMPLETED' }),
      outcomeOf({ ...failed, runId: 'another tenant', tenant: 'other' }),
      outcomeOf({ ...failed, runId: 'another job', jobId: 'other' }),
      outcomeOf({ ...failed, runId: 'second', status: 'CANCELLED' }),
    );
    await clock.sleep(1_000);
    assert.deepEqual(heard, ['first', 'second']);
    assert.deepEqual(completed, ['another status']);
    await stop();
    await tell(outcomeOf({ ...failed, runId: 'third' }), outcomeOf({ runId: 'fourth' }));
    await clock.sleep(1_000);
    assert.deepEqual(heard, ['first', 'second']);
    assert.deepEqual(completed, ['another status', 'fourth'], 'others go on');
  });

  it('goes on hearing after a listener threw', async () => {
    const heard: string[] = [];
    await client.onOutcome(({ runId }) => {
      heard.push(runId);
      throw new Error('a careless listener');
    });
    await tell(outcomeOf({ runId: 'first' }), outcomeOf({ runId: 'second' }));
    await clock.sleep(1_000);
    assert.deepEqual(heard, ['first', 'second']);
  });

  it('rejects commands that still wait when it is closed', async () => {
    answer = () => null;
    const waiting = client.pause('hello', { timeoutMs: 60_000 });
    const rejected = assert.rejects(waiting, { code: 'closed', retryable: true, ids: { commandId: 'id-1' } });
    await clock.sleep(1_000);
    assert.equal(commands.length, 1);
    await client.close();
    await rejected;
  });
});
