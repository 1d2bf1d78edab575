/** The registry adapter and the Avro codec against a real registry. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { findJdk } from '../../infra/embedded/jdk.ts';
import { openAvroCodec } from '../../services/adapters/codec/avro-codec.ts';
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { Registry, schemaText, subjectsOf } from '../../services/adapters/codec/registry.ts';
import { topicsOf } from '../../services/core/topics.ts';
import { avsc, bareOutcome, framed, fullAck, fullDeadRun, fullOutcome } from '../unit/codec/fixtures.ts';

const url = process.env.SCHEMA_REGISTRY_URL ?? '';
const MIN_JAVA = 21;
const skip = url !== '' ? false : (await findJdk(MIN_JAVA, process.env)) === undefined ? 'no JDK 21' : 'no registry';

/** Topics, and so subjects, that no other test has. */
const freshTopics = () => topicsOf(`t-${randomUUID()}.`);

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' };
  const response = await fetch(`${url}${path}`, { headers, ...init });
  return { status: response.status, body: await response.json() };
}

void test('registering twice is registering once: one version, the same ids', { skip }, async () => {
  const topics = freshTopics();
  const subject = subjectsOf(topics)['run-outcome'];
  await new Registry({ url }).register(topics);
  const { id } = await new Registry({ url }).own('run-outcome', subject);
  const again = new Registry({ url: `${url}/` });
  await again.register(topics);
  await again.register(topics);
  assert.equal((await again.own('run-outcome', subject)).id, id);
  assert.deepEqual((await ask(`/subjects/${subject}/versions`)).body, [1]);
});

void test('every public subject is FULL_TRANSITIVE by a rule of its own', { skip }, async () => {
  const topics = freshTopics();
  await new Registry({ url }).register(topics);
  for (const subject of Object.values(subjectsOf(topics))) {
    const { body } = await ask(`/config/${subject}?defaultToGlobal=false`);
    assert.equal((body as { compatibilityLevel?: string }).compatibilityLevel, 'FULL_TRANSITIVE', subject);
  }
});

void test(
  'an incompatible schema is refused by the registry, and a registry that holds one refuses ours',
  { skip },
  async () => {
    const topics = freshTopics();
    const { command } = subjectsOf(topics);
    const register = (schema: object) =>
      ask(`/subjects/${command}/versions`, {
        method: 'POST',
        body: JSON.stringify({ schema: JSON.stringify(schema) }),
      });
    await new Registry({ url }).register(topics);
    const ours = JSON.parse(schemaText('command')) as { fields: object[] };
    const required = { ...ours, fields: [...ours.fields, { name: 'must', type: 'string' }] };
    assert.equal((await register(required)).status, 409);
    const optional = { ...ours, fields: [...ours.fields, { name: 'may', type: ['null', 'string'], default: null }] };
    assert.equal((await register(optional)).status, 200);

    const taken = freshTopics();
    const theirs = {
      type: 'record',
      name: 'Command',
      namespace: 'belfry.v1',
      fields: [{ name: 'must', type: 'string' }],
    };
    const answer = await ask(`/subjects/${subjectsOf(taken).command}/versions`, {
      method: 'POST',
      body: JSON.stringify({ schema: JSON.stringify(theirs) }),
    });
    assert.equal(answer.status, 200);
    await assert.rejects(new Registry({ url }).register(taken), { code: 'registry_refused', retryable: false });
  },
);

void test('what one codec writes another one reads, through the registry', { skip }, async () => {
  const topics = freshTopics();
  await new Registry({ url }).register(topics);
  const writer = await openAvroCodec(new Registry({ url }), topics);
  const reader = jsonCodec(new Registry({ url }));
  assert.deepEqual(await reader.decodeOutcome(writer.encodeOutcome(fullOutcome)), fullOutcome);
  assert.deepEqual(await reader.decodeOutcome(writer.encodeOutcome(bareOutcome)), bareOutcome);
  assert.deepEqual(await reader.decodeAck(writer.encodeAck(fullAck)), fullAck);
  assert.ok(writer.encodeDeadRun(fullDeadRun).length > 100);
  const trigger = { type: 'trigger', commandId: 'c', jobId: 'j', payload: { n: 1 } };
  const decoded = await reader.decodeCommand(writer.encodeCommand(trigger));
  assert.ok('value' in decoded);
  assert.partialDeepStrictEqual(decoded.value, trigger);
});

void test('a command in a foreign writer’s schema is read with that schema', { skip }, async () => {
  const subject = `t-${randomUUID()}-value`;
  const schema = {
    type: 'record',
    name: 'Theirs',
    namespace: 'their.own',
    fields: ['type', 'note'].map((name) => ({ name, type: 'string' })),
  };
  const { body } = await ask(`/subjects/${subject}/versions`, {
    method: 'POST',
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  const value = { type: 'cancel', note: 'x' };
  const bytes = framed((body as { id: number }).id, avsc.Type.forSchema(schema).toBuffer(value));
  assert.deepEqual(await jsonCodec(new Registry({ url })).decodeCommand(bytes), { value });
});

void test('an id that the registry does not have makes a command unreadable', { skip }, async () => {
  for (const id of [0, 987_654_321, 0xffff_ffff]) {
    const decoded = await jsonCodec(new Registry({ url })).decodeCommand(framed(id, Buffer.from('x')));
    assert.ok('rejection' in decoded);
    assert.deepEqual(decoded.rejection, {
      code: 'unreadable',
      message: `the record names schema ${id}, which the registry does not have`,
    });
  }
});

void test('a service that starts before the migration is told to migrate', { skip }, async () => {
  await assert.rejects(openAvroCodec(new Registry({ url }), freshTopics()), {
    code: 'schema_missing',
    retryable: false,
    message: /belfry migrate/,
  });
});

void test('a registry that is down, or answers nothing of use, is registry_unavailable, and worth another try', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const breaking = new Registry({ url: `http://127.0.0.1:${port}` });
  server.on('connection', (socket) => socket.destroy());
  const unavailable = { code: 'registry_unavailable', retryable: true };
  await assert.rejects(breaking.byId(1), unavailable);
  server.close();
  await once(server, 'close');

  const down = new Registry({ url: `http://127.0.0.1:${port}` });
  await assert.rejects(down.byId(1), unavailable);
  await assert.rejects(down.own('command', 'x-value'), unavailable);
  await assert.rejects(down.register(topicsOf('')), unavailable);
  await assert.rejects(jsonCodec(down).decodeCommand(framed(1, Buffer.from('x'))), unavailable);
});
