/** One table for all doors: what JSON cannot hold is refused everywhere, what it can hold comes through as it was. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { fromAvro } from '../../services/adapters/codec/avro-shape.ts';
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { parseJson } from '../../services/cli/json-text.ts';
import { parseYaml } from '../../services/cli/yaml-text.ts';
import { BelfryError } from '../../services/core/errors.ts';
import { readJson } from '../../services/core/spec/json.ts';
import { fieldOf } from '../../services/core/spec/problems.ts';
import { MemoryApi } from './client/memory-api.ts';

type Verdict = { payload: unknown } | { code: string; message: string };
type Door = (payload: Buffer) => Promise<Verdict>;

const PROTO = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as unknown;
const NOT_UTF8 = Buffer.concat([Buffer.from('{"n":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);

/** Payloads as they are written, and what comes of them: what is kept, or the code and a part of the message. */
const TABLE: [title: string, payload: string | Buffer, kept: { value: unknown } | { code: string; message: RegExp }][] =
  [
    [
      'a whole number beyond 2^53',
      '{"n":[1,9007199254740993]}',
      { code: 'invalid', message: /payload\.n\[1\] is 9007199254740993, .*send it as text/ },
    ],
    ['a negative one', '{"n":-9007199254740993}', { code: 'invalid', message: /payload\.n is -9007199254740993/ }],
    [
      'a number that overflows',
      '{"a":{"n":1e400}}',
      { code: 'invalid', message: /payload\.a\.n is 1e400, which is larger than any number: send it as text/ },
    ],
    [
      'one that overflows without an exponent',
      `{"n":${'9'.repeat(400)}}`,
      { code: 'invalid', message: /payload\.n is 9{40}…, which is larger/ },
    ],
    ['the largest whole number that is kept', '{"n":9007199254740992}', { value: { n: 9007199254740992 } }],
    ['one beyond it that a double holds', '{"n":10000000000000000}', { value: { n: 1e16 } }],
    [
      'digits that are text',
      '{"n":"9007199254740993","m":", 9007199254740993"}',
      { value: { n: '9007199254740993', m: ', 9007199254740993' } },
    ],
    ['a fraction with many digits', '{"n":0.12345678901234567890}', { value: { n: 0.12345678901234568 } }],
    ['a large number that is kept', '{"n":1e300,"m":1e-400}', { value: { n: 1e300, m: 0 } }],
    ['the key __proto__', '{"__proto__":{"polluted":true},"a":1}', { value: PROTO }],
    [
      'the key __proto__ beside a long number',
      '{"__proto__":{"polluted":true},"a":1,"n":1000000000000000000}',
      { value: { ...(PROTO as object), n: 1e18 } },
    ],
    ['text that is not UTF-8', NOT_UTF8, { code: 'unreadable', message: /not UTF-8/ }],
    ['what is no JSON', '{"n":01}', { code: 'unreadable', message: /not JSON/ }],
  ];

const api = { server: undefined as unknown as MemoryApi, key: '' };

function head(payload: Buffer, ...fields: string[]): Buffer {
  return Buffer.concat([
    Buffer.from(`{${fields.map((field) => `${field},`).join('')}"payload":`),
    payload,
    Buffer.from('}'),
  ]);
}

const DOORS: Record<string, Door> = {
  Kafka: async (payload) => {
    const read = await jsonCodec().decodeCommand(head(payload, '"type":"trigger"'));
    return 'rejection' in read ? read.rejection : { payload: (read.value as { payload: unknown }).payload };
  },
  'the HTTP API': async (payload) => {
    const before = api.server.commands.length;
    const response = await fetch(`${api.server.url}/api/jobs/greet/trigger`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.key}`, 'content-type': 'application/json' },
      body: head(payload),
    });
    const { type = '', detail = '' } = (await response.json()) as { type?: string; detail?: string };
    if (response.status === 400) return { code: type.replace('urn:belfry:problem:', ''), message: detail };
    return { payload: (api.server.commands.slice(before).at(-1) as unknown as { payload: unknown }).payload };
  },
};

describe('a payload', () => {
  before(async () => {
    api.server = await MemoryApi.start();
    api.key = await api.server.key(['run']);
  });
  after(() => api.server.close());

  for (const [door, take] of Object.entries(DOORS)) {
    for (const [title, payload, expected] of TABLE) {
      it(`with ${title} is ${'value' in expected ? 'kept' : expected.code} by ${door}`, async () => {
        const verdict = await take(Buffer.from(payload));
        if ('value' in expected) return assert.deepEqual(verdict, { payload: expected.value });
        assert.ok('code' in verdict, JSON.stringify(verdict));
        assert.equal(verdict.code, expected.code);
        assert.match(verdict.message, expected.message);
      });
    }
  }

  for (const [title, payload, expected] of TABLE) {
    if (typeof payload !== 'string') continue; // files are read as UTF-8 or not at all; Avro's text is text
    it(`with ${title} is ${'value' in expected ? 'kept' : 'refused'} by the command line, and in Avro`, () => {
      const avro = fromAvro({ job: { payload } });
      const refusal = (parse: () => unknown): unknown => {
        try {
          return { value: parse() };
        } catch (error) {
          assert.ok(error instanceof BelfryError, String(error));
          return error.message;
        }
      };
      const flag = refusal(() => parseJson('--payload', payload));
      if ('value' in expected) {
        assert.deepEqual(avro, { value: { job: { payload: expected.value } } });
        assert.deepEqual(flag, { value: expected.value });
        return;
      }
      assert.ok('rejection' in avro && avro.rejection.code === 'invalid');
      assert.equal(typeof flag, 'string');
      if (expected.code !== 'invalid') return;
      assert.match(avro.rejection.message, new RegExp(expected.message.source.replace('payload', 'job\\.payload')));
      assert.match(flag as string, new RegExp(expected.message.source.replace('payload\\.', '')));
      assert.equal(typeof refusal(() => parseYaml('f', `payload: ${payload}`)), 'string', 'in YAML, too');
    });
  }

  it('never pollutes a prototype', () => {
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });
});

describe('reading JSON', () => {
  it('gives what JSON.parse gives, or says which number would be another one', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.bigInt(), (text, whole) => {
        assert.deepEqual(readJson(text), { value: JSON.parse(text) as unknown });
        const read = readJson(`[${text},{"n":${whole}}]`);
        if (BigInt(Number(whole)) === whole || String(Number(whole)) === String(whole))
          assert.ok('value' in read, String(whole));
        else assert.ok('fault' in read && read.fault.path.join('.') === '1.n', String(whole));
      }),
      { numRuns: 500 },
    );
  });

  it('names the place of a number behind anything that JSON may hold', () => {
    const text = '[{"a\\"{[":{"b":[[],"x]",{},-1.5e3,{"\\u0063":[true,9007199254740993]}]}}]';
    const read = readJson(text);
    assert.deepEqual('fault' in read && read.fault.path, [0, 'a"{[', 'b', 4, 'c', 1]);
  });

  it('takes any depth, with long numbers too', () => {
    const deep = (number: string): string => `${'['.repeat(200_000)}${number}${']'.repeat(200_000)}`;
    assert.ok('value' in readJson(deep('1000000000000000000')));
    const read = readJson(deep('9007199254740993'));
    assert.ok('fault' in read && fieldOf(read.fault.path).length < 400, 'and tells the place as far as people read it');
  });
});
