import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH } from '../../../services/core/spec/payload.ts';
import { parseHttpPayload } from '../../../services/core/spec/payload-http.ts';
import { parseKafkaPayload } from '../../../services/core/spec/payload-kafka.ts';
import { OPTIONS, accepted, httpJobWith, jobWith, kafkaJobWith, refusalOf, refused, specOf } from './support.ts';

const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

describe('any payload', () => {
  it('may have 256 KiB as JSON and not a byte more', () => {
    specOf(jobWith({ payload: 'x'.repeat(MAX_PAYLOAD_BYTES - 2) }));
    const rejection = refusalOf(jobWith({ payload: 'x'.repeat(MAX_PAYLOAD_BYTES - 1) }));
    assert.deepEqual([rejection.code, rejection.field], ['too_large', 'payload']);
    assert.match(rejection.message, /262145 bytes as JSON; at most 262144/);
  });

  it('is measured in bytes, not characters', () => {
    assert.equal(refusalOf(jobWith({ payload: 'é'.repeat(MAX_PAYLOAD_BYTES / 2) })).code, 'too_large');
  });

  it('may be nested 100 levels deep', () => {
    specOf(jobWith({ payload: nested(MAX_PAYLOAD_DEPTH) }));
    assert.match(refusalOf(jobWith({ payload: nested(MAX_PAYLOAD_DEPTH + 1) })).message, /nested too deeply/);
    const hostile = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as unknown;
    assert.match(refusalOf(jobWith({ payload: hostile })).message, /nested too deeply/);
  });

  it('must be JSON', () => assert.match(refusalOf(jobWith({ payload: 1n })).message, /must be JSON/));
});

describe('an HTTP payload', () => {
  it('has its defaults filled in when it is read for sending', () => {
    assert.deepEqual(accepted(parseHttpPayload({ url: 'https://example.com' }, OPTIONS)), {
      method: 'GET',
      url: 'https://example.com',
      headers: {},
      expectStatus: ['2xx'],
    });
  });

  it('keeps all that is given', () => {
    const payload = {
      method: 'POST',
      url: 'http://example.com:8080/a?b=c',
      headers: { 'X-Text': 'café', Authorization: { secret: 'billing-token' } },
      body: null,
      expectStatus: ['204', '3xx'],
    };
    assert.deepEqual(accepted(parseHttpPayload(payload, OPTIONS)), payload);
    assert.deepEqual(specOf(httpJobWith(payload)).payload, payload);
  });

  it('may carry literal credentials where the installation allows it', () => {
    specOf(httpJobWith({ headers: { Authorization: 'Bearer x' } }), { ...OPTIONS, allowInlineSecrets: true });
  });

  for (const [payload, field, message] of [
    [{ url: undefined }, 'url', /url is missing/],
    [{ url: 5 }, 'url', /must be an http or https URL, not 5/],
    [{ url: '/relative' }, 'url', /not an http or https URL/],
    [{ url: 'ftp://example.com' }, 'url', /not an http or https URL/],
    [{ url: 'https://me:pw@example.com' }, 'url', /user name or password/],
    [{ url: 'https://me@example.com' }, 'url', /user name or password/],
    [{ url: `https://example.com/${'x'.repeat(8_192)}` }, 'url', /longer than 8192/],
    [{ method: 'FETCH' }, 'method', /must be GET, HEAD/],
    [{ body: 'x' }, 'body', /does not go with GET/],
    [{ header: {} }, 'header', /did you mean headers/],
    [{ headers: { 'a b': 'x' } }, 'headers.a b', /name that is not allowed/],
    [{ headers: { '': 'x' } }, 'headers.', /name that is not allowed/],
    [{ headers: JSON.parse('{"__proto__":"x"}') as object }, 'headers', /__proto__/],
    [{ headers: { a: 'x\r\nEvil: y' } }, 'headers.a', /characters that a header cannot carry/],
    [{ headers: { a: '日' } }, 'headers.a', /characters that a header cannot carry/],
    [{ headers: { a: 5 } }, 'headers.a', /must be text a header can carry.*not 5/],
    [{ headers: { a: { secret: '../../etc/passwd' } } }, 'headers.a.secret', /1 to 128 letters/],
    [{ headers: { a: { secret: '..' } } }, 'headers.a.secret', /1 to 128 letters/],
    [{ headers: { a: { secret: 'x', more: 1 } } }, 'headers.a.more', /not a field of a secret header/],
    [{ headers: { authorization: 'Bearer x' } }, 'headers.authorization', /refused as literal text/],
    [{ headers: { Cookie: 'a=b' } }, 'headers.Cookie', /refused as literal text/],
    [{ headers: { 'PROXY-AUTHORIZATION': 'x' } }, 'headers.PROXY-AUTHORIZATION', /refused as literal text/],
    [{ headers: { 'X-A': '1', b: '2', 'x-a': '1' } }, 'headers.x-a', /is the same header as X-A: give it once/],
    [{ headers: { 'Transfer-Encoding': 'chunked' } }, 'headers.Transfer-Encoding', /set by the connection/],
    [{ expectStatus: [] }, 'expectStatus', /is empty/],
    [{ expectStatus: ['2xx', '6xx'] }, 'expectStatus[1]', /such as 204.*not "6xx"/],
    [{ expectStatus: [200] }, 'expectStatus[0]', /such as 204.*not 200/],
    [{ expectStatus: '2xx' }, 'expectStatus', /must be a list/],
  ] as const) {
    it(`is refused with ${JSON.stringify(payload).slice(0, 60)}`, () => {
      const rejection = refusalOf(httpJobWith(payload));
      assert.equal(rejection.field, `payload.${field}`);
      assert.match(rejection.message, message);
    });
  }

  it('never shows what may be a password', () => {
    for (const payload of [
      { url: 'htp://me:hunter2@x' },
      { url: 'http://me:hunter2@x' },
      { headers: { Cookie: 'hunter2' } },
      { headers: { a: 'hunter2\n' } },
    ]) {
      assert.doesNotMatch(refusalOf(httpJobWith(payload)).message, /hunter2/);
    }
  });
});

describe('a Kafka payload', () => {
  it('has its defaults filled in when it is read for sending', () => {
    assert.deepEqual(accepted(parseKafkaPayload({ topic: 'orders' }, OPTIONS)), {
      topic: 'orders',
      key: null,
      headers: {},
    });
  });

  for (const payload of [
    { key: 'k', value: { any: ['json', null] }, headers: { h: '日' } },
    { value: null },
    { key: null, valueBase64: 'AAEC/w==' },
    { topic: 'a.b_c-D' },
    { topic: 'job.applications' },
    { topic: 'jobs.completed.daily' },
  ]) {
    it(`may be ${JSON.stringify(payload)}`, () => {
      assert.deepEqual(specOf(kafkaJobWith(payload)).payload, { topic: 'orders', ...payload });
    });
  }

  for (const [payload, field, message] of [
    [{ topic: undefined }, 'topic', /topic is missing/],
    [{ topic: 'a b' }, 'topic', /name of a Kafka topic/],
    [{ topic: '..' }, 'topic', /name of a Kafka topic/],
    [{ topic: 't'.repeat(250) }, 'topic', /name of a Kafka topic/],
    [{ topic: '__consumer_offsets' }, 'topic', /topic of Kafka itself/],
    ...['commands', 'retry', 'completed', 'dlq', 'commands.acks', 'commands.rejected', 'due.high', 'due.slow.low'].map(
      (own) => [{ topic: `test.job.${own}` }, 'topic', /Belfry's own topics/] as const,
    ),
    [{ topic: 'job.commands' }, 'topic', /Belfry's own topics/],
    ...[
      '_schemas',
      '_confluent-metrics',
      'other.job.commands',
      'otherjob.due.low',
      'x-job.due.slow.high',
      'o.job.commands.acks',
    ].map((topic) => [{ topic }, 'topic', /another program's own/] as const),
    [{ key: 5 }, 'key', /must be text, not 5/],
    [{ value: 'a', valueBase64: 'AA==' }, 'valueBase64', /does not go with value/],
    [{ valueBase64: 'nonsense!' }, 'valueBase64', /must be base64/],
    [{ headers: { h: 1 } }, 'headers.h', /must be text/],
    [{ partition: 1 }, 'partition', /not a field of a Kafka payload/],
  ] as const) {
    it(`is refused with ${JSON.stringify(payload).slice(0, 60)}`, () => {
      const rejection = refusalOf(kafkaJobWith(payload));
      assert.equal(rejection.field, `payload.${field}`);
      assert.match(rejection.message, message);
    });
  }

  it('reaches only the topics that the installation allows', () => {
    const options = { ...OPTIONS, allowTopics: ['orders', 'mail.*', 'test.*'] };
    for (const topic of ['orders', 'mail.out', 'mail.']) accepted(parseKafkaPayload({ topic }, options));
    for (const topic of ['orders2', 'mail', 'x.mail.out']) {
      assert.match(
        refused(parseKafkaPayload({ topic }, options)).message,
        /not allowed here .*orders, mail\.\* and test\.\*/,
      );
    }
    assert.match(refused(parseKafkaPayload({ topic: 'test.job.retry' }, options)).message, /own topics/);
    const named = { ...options, allowTopics: ['_mine', 'other.job.dlq', '*'] };
    for (const topic of ['_mine', 'other.job.dlq']) accepted(parseKafkaPayload({ topic }, named));
    for (const topic of ['_schemas', 'other.job.retry']) {
      assert.match(refused(parseKafkaPayload({ topic }, named)).message, /another program's own/);
    }
    assert.match(refused(parseKafkaPayload({ topic: 'orders' }, { ...options, allowTopics: [] })).message, /none is/);
  });
});
