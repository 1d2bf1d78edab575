/** What is Belfry's own stays so: internal commands, jobs that deliver for webhooks, and streams of keys that work no more. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { send, startApi } from './attack.ts';

const RUN_ID = '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55';
const HOOK = 'belfry.webhook.alerts';

type Result = { outcome: string; error: { code: string; message: string; field?: string } | null };

describe("Belfry's own", () => {
  let belfry: TestDeployment;
  let url: string;
  let key: string;
  before(async () => {
    belfry = await TestDeployment.create({ env: { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') } });
    key = await belfry.key(['admin'], 'acme');
    const [api] = await Promise.all([startApi(belfry), belfry.timer()]);
    url = `http://127.0.0.1:${await api.port}`;
    const hook = { id: 'alerts', url: 'https://example.com/hook' };
    assert.equal((await send(`${url}/api/webhooks`, key, hook)).status, 201);
    assert.equal((await send(`${url}/api/webhooks/alerts/test`, key)).status, 200);
  });
  after(() => belfry.destroy());

  async function command(type: string, fields: object): Promise<Result> {
    const body = { commands: [{ type, commandId: `${type}-${Math.random()}`, jobId: 'mine', ...fields }] };
    const { status, text } = await send(`${url}/api/commands`, key, body);
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { results: Result[] }).results[0]!;
  }

  it('is no command of anybody else', async () => {
    const event = { name: 'boom', id: 'e', payload: null };
    const own = {
      upstream: { upstream: 'other', runId: RUN_ID },
      deliver: { event, at: 1 },
      fanOut: { event, at: 1, after: '', part: 1, matched: 0, ack: true },
      notify: { jobId: HOOK, body: {}, at: 1, ack: true },
      retire: { jobId: HOOK },
      cancelRun: { runId: RUN_ID },
    };
    for (const [type, fields] of Object.entries(own)) {
      const { outcome, error } = await command(type, fields);
      assert.deepEqual([outcome, error?.code, error?.field], ['rejected', 'invalid', 'type'], type);
      assert.match(error!.message, /must be schedule, cancel, pause, resume, trigger, replay, emit or backfill/);
    }
  });

  it('is steered by nobody else, by whichever door', async () => {
    const spec = { type: 'CUSTOM', handler: 'mine', schedule: { in: '1h' } };
    const times = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' };
    const commands = {
      ...{ schedule: { job: spec }, pause: {}, resume: {}, cancel: {}, trigger: {}, backfill: times },
    };
    for (const [type, fields] of Object.entries(commands))
      assert.equal((await command(type, { jobId: HOOK, ...fields })).error?.code, 'invalid', type);
    assert.equal((await command('cancel', { jobId: HOOK, runId: RUN_ID })).error?.code, 'invalid');
    const at = `${url}/api/jobs/${HOOK}`;
    const doors: [string, string, object?][] = [
      ['DELETE', at],
      ['PUT', at, spec],
      ['POST', `${at}/pause`],
      ['POST', `${at}/resume`],
      ['POST', `${at}/trigger`, {}],
      ['POST', `${at}/execute`, {}],
      ['POST', `${at}/backfill`, times],
      ['POST', `${url}/api/runs/${RUN_ID}/cancel`, { jobId: HOOK }],
    ];
    for (const [method, door, body] of doors) {
      const { status, text } = await send(door, key, body, method);
      assert.equal(status, 400, `${method} ${door}: ${text}`);
      assert.match(text, /belfry\./);
    }
    const sql = { type: 'pause', commandId: 'sql', tenant: 'acme', jobId: HOOK };
    await belfry.rows('SELECT enqueue($1)', [JSON.stringify(sql)]);
    await belfry.untilRow('its rejection', `SELECT FROM rejected_records WHERE command_id = 'sql'`);
    const [row] = await belfry.rows<{ state: string }>('SELECT state FROM jobs WHERE job_id = $1', [HOOK]);
    assert.equal(row?.state, 'SCHEDULED');
  });

  it('is in lists for whoever asks for it', async () => {
    const listed = async (query: string) => (await send(`${url}/api/jobs${query}`, key, undefined, 'GET')).text;
    assert.ok(!(await listed('')).includes(HOOK));
    assert.ok((await listed('?own=true')).includes(HOOK));
    const bulk = await send(`${url}/api/jobs/bulk`, key, { action: 'cancel', filter: {} });
    assert.match(bulk.text, /"matched":0/);
  });

  it('ends when its webhook is removed', async () => {
    assert.equal((await send(`${url}/api/webhooks/alerts`, key, undefined, 'DELETE')).status, 200);
    await belfry.untilRow('its end', `SELECT FROM jobs WHERE job_id = $1 AND state = 'CANCELLED'`, [HOOK]);
  });

  it('ends the stream of a revoked key', async () => {
    const reader = await belfry.key(['read'], 'acme');
    const stream = await fetch(`${url}/api/events/stream`, { headers: { authorization: `Bearer ${reader}` } });
    assert.equal(stream.status, 200);
    const [, prefix] = reader.split('_');
    assert.equal((await send(`${url}/api/keys/${prefix}`, key, undefined, 'DELETE')).status, 200);
    assert.match(await stream.text(), /event: position/); // resolves when it has ended
  });

  it('gives no key a longer life than the one that made it', async () => {
    const short = await belfry.key(['admin'], 'acme', 60_000);
    const made = await send(`${url}/api/keys`, short, { name: 'child', scopes: ['read'] });
    const { expiresAt } = JSON.parse(made.text) as { expiresAt: string };
    assert.ok(Date.parse(expiresAt) <= Date.now() + 60_000);
    const longer = await send(`${url}/api/keys`, short, { name: 'child', scopes: ['read'], expiresIn: '1d' });
    assert.equal(longer.status, 403);
    const [, prefix] = key.split('_');
    assert.equal((await send(`${url}/api/keys/${prefix}/rotate`, short, {})).status, 403);
  });
});
