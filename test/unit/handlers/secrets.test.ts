import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutSecrets } from '../../../services/executor/handlers/http/hide-secrets.ts';
import { folderWith, secretsIn } from './support.ts';

const bound = (...hosts: string[]): string => JSON.stringify({ value: 'Bearer s3cr3t-token', hosts });

void test('a secret goes to the hosts that it is bound to, and to no other', async () => {
  const cases: [hosts: string[], url: string, goes: boolean][] = [
    [['api.example.com'], 'https://api.example.com/a', true],
    [['API.example.com'], 'https://api.EXAMPLE.com./a', true],
    [['a.example.com', 'b.example.com'], 'https://b.example.com', true],
    [['api.example.com'], 'https://api.example.com.evil.test', false],
    [['api.example.com'], 'https://evil.test/api.example.com', false],
    [['api.example.com'], 'https://evil.test#api.example.com', false],
    [['api.example.com'], 'https://xapi.example.com', false],
    [['api.example.com'], 'https://api.example.com:8443', false],
    [['api.example.com:8443'], 'https://api.example.com:8443', true],
    [['*.example.com'], 'https://eu.api.example.com', true],
    [['*.example.com'], 'https://example.com', false],
    [['*.example.com'], 'https://evilexample.com', false],
    [['[2001:db8::1]'], 'https://[2001:db8:0::1]/', true],
  ];
  for (const [hosts, url, goes] of cases) {
    await using folder = await folderWith({ 'acme/token': bound(...hosts) });
    const read = secretsIn(folder.path).read('acme', 'token', url);
    if (goes) assert.equal(await read, 'Bearer s3cr3t-token', url);
    else await assert.rejects(read, { code: 'secret_denied', retryable: false }, `${url} for ${hosts.join()}`);
  }
});

void test('a bound secret with a mistake goes nowhere, and is not shown', async () => {
  for (const text of [
    '{"value": "s3cr3t"',
    '{"value":"s3cr3t"}',
    '{"value":"s3cr3t","hosts":[]}',
    bound('https://a.test'),
  ]) {
    await using folder = await folderWith({ 'acme/token': text });
    await assert.rejects(secretsIn(folder.path).read('acme', 'token', 'https://a.test'), (error: Error) => {
      assert.match(error.message, /is not \{ "value"/);
      assert.doesNotMatch(error.message, /s3cr3t/);
      return true;
    });
  }
});

void test('a plain secret goes anywhere, as it did, with one warning', async () => {
  await using folder = await folderWith({ 'acme/token': 's3cr3t' });
  const warned: unknown[] = [];
  const secrets = secretsIn(folder.path, warned);
  for (const url of ['https://a.test', 'https://b.test'])
    assert.equal(await secrets.read('acme', 'token', url), 's3cr3t');
  assert.deepEqual(warned, [{ tenant: 'acme', secret: 'token' }]);
});

void test('no form of a secret is left in a text', () => {
  const basic = `Basic ${Buffer.from('belfry:pass"w0rd!').toString('base64')}`;
  const cases: [text: string, secrets: string[], cleaned: string][] = [
    ['a Bearer s3cr3t-token b', ['Bearer s3cr3t-token'], 'a [secret] b'],
    ['the token s3cr3t-token', ['Bearer s3cr3t-token'], 'the token [secret]'],
    ['abcdef', ['abc', 'abcdef'], '[secret]'],
    [JSON.stringify('q"uote\\'), ['q"uote\\'], '"[secret]"'],
    ['?t=a%2Fb%3Dc', ['a/b=c'], '?t=[secret]'],
    ['you are belfry, pass"w0rd!', [basic], 'you are belfry, [secret]'],
  ];
  for (const [text, secrets, cleaned] of cases) assert.equal(withoutSecrets(text, secrets), cleaned);
});

void test('an end that begins a secret goes, where more may have followed', () => {
  assert.equal(withoutSecrets('xyz s3cr', ['s3cr3t'], true), 'xyz ');
  assert.equal(withoutSecrets('xyz s3cr3t', ['s3cr3t'], true), 'xyz [secret]');
  assert.equal(withoutSecrets('xyz s3cr', ['s3cr3t']), 'xyz s3cr');
});
