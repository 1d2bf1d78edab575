import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { FakeCli } from './support.ts';

const COMMANDS = [
  ...['dev', 'migrate', 'timer', 'executor', 'schedule', 'preview', 'doctor'],
  ...['list', 'show', 'pause', 'resume', 'cancel', 'trigger'].map((name) => `jobs ${name}`),
  ...['runs list', 'runs show', 'events watch', 'rejected list', 'rejected show'],
  ...['list', 'show', 'replay', 'discard'].map((name) => `dlq ${name}`),
];

for (const command of COMMANDS) {
  void test(`"belfry ${command} --help" shows what it takes, with examples, and exits with 0`, async () => {
    const cli = new FakeCli();
    assert.equal(await cli.run(...command.split(' '), '--help'), 0);
    assert.match(cli.stdout, new RegExp(`Usage: belfry ${command}`));
    assert.match(cli.stdout, /Examples:\n {2}\$ .*belfry/);
    const answers = !['dev', 'timer', 'executor'].includes(command);
    assert.equal(cli.stdout.includes('--json'), answers);
  });
}

void test('a command that does not exist exits with 2 and names the one that was meant', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run('jobs', 'lits'), 2);
  assert.match(cli.stderr, /unknown command 'lits'/);
  assert.match(cli.stderr, /Did you mean list/);
});

void test('a program that uses a wrong flag gets a document that says so', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run('jobs', 'list', '--json', '--wrong'), 2);
  assert.deepEqual(cli.document(), { error: { code: 'usage', message: "unknown option '--wrong'" } });
});

void test('belfry without a command shows the help and exits with 2', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run(), 2);
  assert.match(cli.stderr, /Usage: belfry/);
});

void test('--version prints the version', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run('--version'), 0);
  assert.equal(cli.stdout, '1.2.3');
});

for (const command of ['migrate', 'timer', 'executor', 'doctor']) {
  void test(`"belfry ${command}" without servers says in one line what to set, or to run belfry dev`, async () => {
    const cli = new FakeCli({});
    assert.equal(await cli.run(command), 2);
    assert.match(cli.stderr, /^error: Set KAFKA_BROKERS .* and DATABASE_URL .*belfry dev/);
    assert.equal(cli.err.length, 1);
  });
}

void test('a wrong variable of the environment exits with 2 and is named', async () => {
  const cli = new FakeCli({ BELFRY_PARTITIONS: 'many' });
  assert.equal(await cli.run('doctor'), 2);
  assert.match(cli.stderr, /BELFRY_PARTITIONS/);
});

const CODES = [
  ['conflict', 3],
  ['invalid', 3],
  ['unknown_job', 4],
  ['no_answer', 5],
  ['broker_unavailable', 5],
  ['not_migrated', 1],
  ['config_mismatch', 2],
] as const;
for (const [code, exit] of CODES) {
  void test(`an answer ${code} exits with ${exit}`, async () => {
    const cli = new FakeCli();
    cli.client.answer = () => new BelfryError(code, 'because');
    assert.equal(await cli.run('jobs', 'pause', 'report'), exit);
    assert.equal(cli.stderr, 'error: because');
  });
}

void test('with --json an error is a document too, with its code and field', async () => {
  const cli = new FakeCli();
  cli.client.answer = () => new BelfryError('invalid', 'is wrong', { field: 'job.queue' });
  assert.equal(await cli.run('schedule', 'x', '--handler', 'h', '--in', '1s', '--json'), 3);
  assert.deepEqual(cli.document(), { error: { code: 'invalid', message: 'is wrong', field: 'job.queue' } });
});

void test('a stack trace is shown to those who debug, and to nobody else', async () => {
  const outputs = ['info', 'debug'].map(async (level) => {
    const cli = new FakeCli({ LOG_LEVEL: level });
    cli.client.answer = () => new TypeError('broken');
    assert.equal(await cli.run('jobs', 'pause', 'report'), 1);
    return cli.stderr;
  });
  const [plain, debug] = await Promise.all(outputs);
  assert.equal(plain, 'error: broken');
  assert.match(debug ?? '', /TypeError: broken\n {4}at /);
});
