import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeCli } from './support.ts';

void test('belfry keys: makes a key that is shown once, lists, rotates and revokes it', async () => {
  const cli = new FakeCli();
  assert.equal(
    await cli.run('keys', 'create', 'ci', '--tenant', 'acme', '--scopes', 'read,write', '--expires', '90d'),
    0,
  );
  const [key, prefix] = /bfy_([0-9a-f]{12})_\S+/.exec(cli.stdout) ?? [];
  assert.ok(key && prefix);
  assert.match(cli.stderr, /shown this once/);
  cli.out.length = 0;
  assert.equal(await cli.run('keys', 'list', '--tenant', 'acme'), 0);
  assert.match(cli.stdout, /acme +ci +read,write +until .*in 90 d/);
  assert.ok(!cli.stdout.includes(key));
  cli.out.length = 0;
  assert.equal(await cli.run('keys', 'rotate', key, '--grace', '1h', '--json'), 0);
  const rotated = JSON.parse(cli.stdout) as { key: string; prefix: string; scopes: string[] };
  assert.notEqual(rotated.prefix, prefix);
  assert.deepEqual(rotated.scopes, ['read', 'write']);
  cli.out.length = 0;
  assert.equal(await cli.run('keys', 'revoke', rotated.prefix), 0);
  assert.equal(await cli.run('keys', 'rotate', rotated.prefix), 4);
  assert.equal(await cli.run('keys', 'revoke', '000000000000'), 4);
});

void test('belfry keys refuses scopes and prefixes that there are not', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run('keys', 'create', 'ci', '--scopes', 'read,fly'), 2);
  assert.equal(await cli.run('keys', 'revoke', 'mine'), 2);
});
