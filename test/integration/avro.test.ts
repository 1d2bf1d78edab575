/** The whole way in Avro: a command, its ack, its outcome, a dead run; and JSON commands beside it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { findJdk } from '../../infra/embedded/jdk.ts';
import { openAvroCodec } from '../../services/adapters/codec/avro-codec.ts';
import { Registry } from '../../services/adapters/codec/registry.ts';
import { partitionOf } from '../../services/core/murmur2.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, NO_RETRY, NOW } from './support/jobs.ts';

const url = process.env.SCHEMA_REGISTRY_URL ?? '';
const skip = url !== '' ? false : (await findJdk(21, process.env)) === undefined ? 'no JDK 21' : 'no registry';

describe('a deployment that was migrated with Avro', { skip, timeout: 90_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 3, encoding: 'avro', env: { SCHEMA_REGISTRY_URL: url } });
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  after(() => belfry.destroy());

  /** Writes bytes as a command of the job. */
  async function publish(jobId: string, value: Buffer): Promise<void> {
    const key = `default/${jobId}`;
    const producer = await belfry.broker.producer();
    const record = {
      topic: belfry.topics.commands,
      partition: partitionOf(key, 3),
      key: Buffer.from(key),
      value,
      headers: {},
    };
    await producer.send([record]);
    await producer.close();
  }

  it('takes an Avro command, and writes its outcome as Avro that any client of the registry reads', async () => {
    const codec = await openAvroCodec(new Registry({ url }), belfry.topics);
    const job = custom('record', NOW, { payload: { invoice: 42 }, labels: { team: 'billing' } });
    await publish('avro', codec.encodeCommand({ type: 'schedule', commandId: 'c-1', jobId: 'avro', job }));
    const { value, headers } = await belfry.firstRecord(belfry.topics.completed, 'default/avro');
    assert.equal(headers['content-type'], 'application/vnd.confluent.avro');
    const plain = (await new SchemaRegistry({ host: url }).decode(value)) as Record<string, unknown>;
    assert.deepEqual(
      [plain.status, plain.jobId, plain.result, plain.error],
      ['COMPLETED', 'avro', '{"attempt":1}', null],
    );
    assert.deepEqual({ ...(plain.labels as object) }, { team: 'billing' });
  });

  it('takes JSON commands as well, answers in Avro, and writes dead runs as Avro', async () => {
    const { outcome, version } = await belfry.client.schedule('json', custom('fails', NOW, { retry: NO_RETRY }));
    assert.deepEqual([outcome, version], ['applied', 1]);
    const { value } = await belfry.firstRecord(belfry.topics.dlq, 'default/json');
    const dead = (await new SchemaRegistry({ host: url }).decode(value)) as {
      error: { code: string };
      payload: string;
    };
    assert.deepEqual([dead.error.code, dead.payload], ['handler_error', '{}']);
  });

  it("refuses a field that our schema lacks by its name, although the writer's schema has it", async () => {
    const registry = new SchemaRegistry({ host: url });
    const fields = ['type', 'commandId', 'jobId', 'colour'].map((name) => ({ name, type: 'string' }));
    const schema = JSON.stringify({ type: 'record', name: 'Foreign', namespace: 'test', fields });
    const { id } = await registry.register(
      { type: SchemaType.AVRO, schema },
      { subject: `${belfry.topics.commands}-foreign` },
    );
    await publish(
      'foreign',
      await registry.encode(id, { type: 'pause', commandId: 'c-2', jobId: 'foreign', colour: 'red' }),
    );
    const { headers } = await belfry.firstRecord(belfry.topics.rejected, 'default/foreign');
    assert.equal(headers.belfry_error_code, 'invalid');
    assert.match(headers.belfry_error_message ?? '', /colour/);
  });

  it('is served over HTTP like any other: answers and outcomes are read, whatever they are written in', async () => {
    const authorization = `Bearer ${await belfry.key(['admin'])}`;
    const service = await belfry.api();
    const url = `http://127.0.0.1:${await service.port}/api`;
    const stream = await fetch(`${url}/events/stream?jobId=http`, { headers: { authorization } });
    const job = { jobId: 'http', type: 'CUSTOM', handler: 'noop', schedule: { in: '0s' } };
    const headers = { authorization, 'content-type': 'application/json' };
    const created = await fetch(`${url}/jobs`, { method: 'POST', headers, body: JSON.stringify(job) });
    assert.equal(created.status, 201);
    for await (const text of stream.body!.pipeThrough(new TextDecoderStream())) {
      if (!text.includes('event: outcome')) continue;
      assert.match(text, /"status":"COMPLETED"/);
      break;
    }
  });
});
