import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { makeSecret, secretBytesOf, unseal } from '../../../services/core/webhook-secret.ts';
import { FakeCli } from './support.ts';

const KEY = randomBytes(32);
const ENV = { DATABASE_URL: 'postgres://localhost/belfry', BELFRY_WEBHOOK_KEY: KEY.toString('base64') };

void test('belfry webhooks: adds one whose secret is shown once and stored sealed, lists, changes, rotates and removes it', async () => {
  const cli = new FakeCli(ENV);
  const url = 'https://example.com/hook';
  assert.equal(await cli.run('webhooks', 'add', url, '--id', 'alerts', '--label', 'team=billing', '--job', 'a'), 0);
  const [secret] = /whsec_\S+/.exec(cli.stdout) ?? [];
  assert.ok(secret && secretBytesOf(secret));
  assert.match(cli.stderr, /shown this once/);
  const [sealed] = (await cli.webhooks.target('default', 'alerts'))!.secrets;
  assert.ok(!sealed!.includes(secret.slice(6)));
  assert.equal(unseal(sealed!, { tenant: 'default', id: 'alerts' }, KEY), secret);
  cli.out.length = 0;
  assert.equal(await cli.run('webhooks', 'list'), 0);
  assert.match(cli.stdout, /alerts +FAILED +a team=billing +yes +https:\/\/example\.com\/hook/);
  assert.ok(!cli.stdout.includes('whsec_'));
  cli.out.length = 0;
  assert.equal(await cli.run('webhooks', 'set', 'alerts', '--disable', '--status', 'SKIPPED', '--json'), 0);
  const changed = cli.document<{ disabled: boolean; statuses: string[]; jobs: string[]; url: string }>();
  assert.deepEqual([changed.disabled, changed.statuses, changed.jobs, changed.url], [true, ['SKIPPED'], ['a'], url]);
  cli.out.length = 0;
  assert.equal(await cli.run('webhooks', 'rotate', 'alerts', '--grace', '1h', '--json'), 0);
  assert.notEqual(cli.document<{ secret: string }>().secret, secret);
  assert.equal((await cli.webhooks.target('default', 'alerts'))!.secrets.length, 2);
  assert.equal(await cli.run('webhooks', 'remove', 'alerts'), 0);
  assert.deepEqual(
    cli.client.sent.map(({ command, jobId }) => [command, jobId]),
    [['retire', 'belfry.webhook.alerts']],
  );
  assert.equal(await cli.run('webhooks', 'remove', 'alerts'), 4);
  assert.equal(await cli.run('webhooks', 'show', 'alerts'), 4);
});

void test('belfry webhooks takes a secret of your own from a file, never as an argument', async () => {
  const cli = new FakeCli(ENV);
  const secret = makeSecret(randomBytes(32));
  cli.files = { good: `${secret}\n`, bad: 'whsec_hunter2' };
  assert.equal(await cli.run('webhooks', 'add', 'https://example.com', '--id', 'a', '--secret-file', 'good'), 0);
  assert.match(cli.stdout, new RegExp(secret.replaceAll('+', '\\+')));
  assert.equal(await cli.run('webhooks', 'add', 'https://example.com', '--id', 'b', '--secret-file', 'bad'), 2);
  assert.ok(!cli.stderr.includes('hunter2'));
});

void test('belfry webhooks sends a test through the job that delivers', async () => {
  const cli = new FakeCli(ENV);
  assert.equal(await cli.run('webhooks', 'add', 'https://example.com', '--id', 'a'), 0);
  cli.out.length = 0;
  assert.equal(await cli.run('webhooks', 'test', 'a', '--json'), 0);
  const { runId, jobId } = cli.document<{ runId: string; jobId: string }>();
  assert.equal(jobId, 'belfry.webhook.a');
  assert.match(runId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    cli.client.sent.map(({ command, jobId }) => [command, jobId]),
    [['notify', 'belfry.webhook.a']],
  );
  assert.equal(await cli.run('webhooks', 'test', 'b'), 4);
});

void test('belfry webhooks says what is wrong', async () => {
  const cli = new FakeCli(ENV);
  assert.equal(await cli.run('webhooks', 'add', 'ftp://example.com'), 2);
  assert.equal(await cli.run('webhooks', 'add', 'https://example.com', '--status', 'RUNNING'), 2);
  assert.match(cli.stderr, /statuses\[0\] must be COMPLETED, FAILED, CANCELLED or SKIPPED/);
  const keyless = new FakeCli({ DATABASE_URL: 'postgres://localhost/belfry' });
  assert.equal(await keyless.run('webhooks', 'add', 'https://example.com'), 2);
  assert.match(keyless.stderr, /no BELFRY_WEBHOOK_KEY .*openssl rand -base64 32/);
});
