/** Whatever stands in a request, reading and judging it costs no more than a body of the size that is allowed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { exceededBound } from '../../../services/core/spec/json-bounds.ts';
import { MemoryApi } from '../client/memory-api.ts';

const JOB = { jobId: 'many', type: 'CUSTOM', handler: 'greet', schedule: { in: '1h' } };
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const entries = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, at) => [`é ${at}`, 1]));

type Answer = { status: number; text: string; body: never };
type Problem = { detail: string; errors?: { detail: string }[] };

describe('bounds of requests', () => {
  let api: MemoryApi;
  let key: string;
  before(async () => {
    api = await MemoryApi.start();
    key = await api.key(['admin']);
  });
  after(() => api.close());

  async function post(path: string, body: string | object, headers: object = {}): Promise<Answer> {
    const response = await fetch(api.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, body: JSON.parse(text) as never };
  }

  it('count entries before any is judged', async () => {
    const labels = await post('/api/jobs', { ...JOB, labels: entries(20_000) });
    assert.equal(labels.status, 400);
    assert.match(labels.text, /labels has too many entries; at most 32/);
    assert.ok(labels.text.length < 1_000, labels.text);
    const statuses = await post('/api/webhooks', {
      url: 'https://example.com/',
      statuses: Array<number>(200_000).fill(1),
    });
    assert.equal(statuses.status, 400);
    assert.ok(statuses.text.length < 1_000, statuses.text.slice(0, 1_000));
    const runIds = await post('/api/dlq/replay', { runIds: Array<number>(100_000).fill(1) });
    assert.match(runIds.text, /runIds has too many entries; at most 1000/);
  });

  it('tell at most 100 faults, and of one with a long name only its beginning', async () => {
    const { body, text } = await post('/api/dlq/replay', { runIds: Array<number>(1_000).fill(1) });
    assert.equal((body as Problem).errors?.length, 100);
    assert.ok(text.length < 40_000);
    const long = await post('/api/jobs', { ...JOB, labels: { ['é'.repeat(200_000)]: 'x' } });
    assert.ok(long.text.length < 5_000, String(long.text.length));
  });

  it('take items of at most 512 KiB, the others of the batch go on', async () => {
    const large = { ...JOB, jobId: 'large', payload: 'x'.repeat(600_000) };
    const { body } = await post('/api/jobs/batch', {
      jobs: [large, { ...JOB, jobId: 'small' }, { ...JOB, labels: entries(31) }],
    });
    const [first, second, third] = (body as { results: { status: number; problem: Problem }[] }).results;
    assert.equal(first!.status, 413);
    assert.equal(second!.status, 201);
    assert.equal(third!.problem.errors?.length, 10);
  });

  it('make depth the fault of the item that has it', async () => {
    for (const levels of [200, 5_000, 9_000]) {
      const good = { type: 'pause', commandId: `c${levels}`, jobId: 'mine' };
      const bad = `{"type":"trigger","commandId":"d","jobId":"mine","payload":${deep(levels)}}`;
      const { status, body } = await post('/api/commands', `{"commands":[${bad},${JSON.stringify(good)}]}`);
      assert.equal(status, 200);
      const [first, second] = (body as { results: { outcome: string; error: Problem }[] }).results;
      assert.deepEqual([first!.outcome, second!.outcome], ['rejected', 'applied']);
      const job = `{"jobId":"deep","type":"CUSTOM","handler":"h","schedule":{"in":"1h"},"payload":${deep(levels)}}`;
      const batch = await post('/api/jobs/batch', `{"jobs":[${job}]}`);
      assert.equal((batch.body as { results: { status: number }[] }).results[0]!.status, 400, String(levels));
      const keyed = await post('/api/jobs/batch', `{"jobs":[${job}]}`, { 'idempotency-key': `k${levels}` });
      assert.ok(keyed.status < 500, keyed.text);
    }
  });

  it('refuse what nobody can mean before it is parsed', async () => {
    const bodies = {
      levels: '['.repeat(20_000),
      values: `[${'1,'.repeat(600_000)}1]`,
      objects: `[${'{},'.repeat(600_000)}1]`,
    };
    for (const [what, body] of Object.entries(bodies)) {
      const { status, text } = await post('/api/commands', body);
      assert.equal(status, 413, what);
      assert.match(text, /nested too deeply|too many values/);
    }
  });
});

describe('exceededBound', () => {
  const of = (text: string, levels = 2, values = 4) => exceededBound(Buffer.from(text), { levels, values });

  it('counts levels and values outside of texts alone', () => {
    assert.equal(of('[[1]]'), undefined);
    assert.equal(of('[[[1]]]'), 'levels');
    assert.equal(of('[[],[]]', 2, 5), undefined);
    assert.equal(of('{"a":[1,2,3]}'), 'values');
    assert.equal(of('{"a,[[[[\\"":"[[[,,,,,,\\\\"}'), undefined);
  });

  it('reads what is no JSON to its end', () => {
    for (const text of ['"', '"\\', ']]]]', '', '{"a']) assert.equal(of(text), undefined, text);
  });
});
