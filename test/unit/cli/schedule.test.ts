import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeCli, outcome } from './support.ts';

async function scheduled(...args: string[]): Promise<unknown> {
  const cli = new FakeCli();
  assert.equal(await cli.run('schedule', 'x', ...args), 0, cli.stderr);
  return cli.client.sent[0]?.rest[0];
}

void test('flags become the job that they describe, and the type follows from what is to run', async () => {
  assert.deepEqual(
    await scheduled('--handler', 'h', '--payload', '{"a":1}', '--in', '5m', '--label', 'a=1', '--label', 'b=2=3'),
    {
      ...{ type: 'CUSTOM', handler: 'h', schedule: { in: '5m' }, payload: { a: 1 } },
      labels: { a: '1', b: '2=3' },
    },
  );
  assert.deepEqual(
    await scheduled(
      '--url',
      'https://e.com',
      '--method',
      'post',
      '--body',
      '[1]',
      '--cron',
      '0 9 * * *',
      '--timezone',
      'Europe/Paris',
    ),
    {
      type: 'HTTP_REQUEST',
      schedule: { cron: '0 9 * * *', timezone: 'Europe/Paris' },
      payload: { url: 'https://e.com', method: 'POST', body: [1] },
    },
  );
  assert.deepEqual(
    await scheduled(
      '--topic',
      't',
      '--value',
      '{"n":1}',
      '--fixed-delay',
      '5m',
      '--retries',
      '0',
      '--priority',
      'high',
    ),
    {
      ...{ type: 'KAFKA_MESSAGE', schedule: { fixedDelay: '5m' }, retry: { maxRetries: 0 }, priority: 'high' },
      payload: { topic: 't', value: { n: 1 } },
    },
  );
});

void test('what has ended and is sent again is said to be over, and waited for by nobody', async () => {
  for (const wait of [[], ['--wait']]) {
    const cli = new FakeCli();
    cli.client.answer = () => ({ state: 'FINISHED', nextFireAt: null });
    assert.equal(await cli.run('schedule', 'x', '--handler', 'h', '--in', '1m', ...wait), 0, cli.stderr);
    assert.match(cli.stdout, /FINISHED/);
    assert.match(cli.stderr, /belfry jobs trigger x/);
  }
});

void test('a one-shot takes a deadline, a recurring job what becomes of missed times', async () => {
  const base = { type: 'CUSTOM', handler: 'h' };
  assert.deepEqual(await scheduled('--handler', 'h', '--in', '5m', '--missed-window', '1h'), {
    ...{ ...base, schedule: { in: '5m' }, missed: { window: '1h' } },
  });
  assert.deepEqual(await scheduled('--handler', 'h', '--every', '5m', '--missed', 'all'), {
    ...{ ...base, schedule: { every: '5m' }, missed: { policy: 'all' } },
  });
});

void test('the answer tells the state and the next time', async () => {
  const cli = new FakeCli();
  await cli.run('schedule', 'x', '--handler', 'h', '--in', '1m');
  assert.equal(cli.stdout, 'applied  x: SCHEDULED, version 1, next 2026-01-01T12:01:00.000Z (in 1 m)');
});

const MISTAKES: [string, string[], RegExp][] = [
  ['no schedule', ['--handler', 'h'], /Say when: --in 5m/],
  ['two schedules', ['--handler', 'h', '--in', '5m', '--every', '5m'], /one of --in and --every/],
  ['nothing to run', ['--in', '5m'], /Say what to run: --handler/],
  ['a payload that is no JSON', ['--handler', 'h', '--in', '5m', '--payload', '{a:1}'], /--payload takes JSON/],
  ['a payload twice', ['--url', 'http://e', '--in', '5m', '--payload', '{}'], /leave out --url/],
  [
    'a key twice in JSON',
    ['--handler', 'h', '--in', '5m', '--payload', '{"a":{"b":1,"c":"}","\\u0062":2}}'],
    /"b" twice in one/,
  ],
  [
    'a key twice in a body',
    ['--url', 'http://e', '--in', '5m', '--body', '[{"a":1},{"a":1,"a":1}]'],
    /--body has the key "a"/,
  ],
  [
    'a label twice',
    ['--handler', 'h', '--in', '5m', '--label', 'a=b', '--label', 'a=c'],
    /--label gives a twice, as "b" and as "c"/,
  ],
  [
    'a header twice',
    ['--url', 'http://e', '--in', '5m', '--header', 'a=b', '--header', 'a=c'],
    /--header gives a twice/,
  ],
  ['an unknown type', ['--type', 'ETL', '--in', '5m'], /Allowed choices are HTTP_REQUEST/],
  ['a label without a value', ['--handler', 'h', '--in', '5m', '--label', 'a'], /--label takes name=value/],
  ['a file and flags', ['--file', 'job.json', '--fixed-delay', '5m'], /leave out --fixed-delay/],
  ['a file that is not there', ['--file', 'job.json'], /job\.json cannot be read/],
];
for (const [what, args, message] of MISTAKES) {
  void test(`${what} exits with 2, says what is wrong and sends nothing`, async () => {
    const cli = new FakeCli();
    assert.equal(await cli.run('schedule', 'x', ...args), 2);
    assert.match(cli.stderr, message);
    assert.deepEqual(cli.client.sent, []);
  });
}

void test('what only looks like a repetition is none', async () => {
  const cli = new FakeCli();
  const payload = '{"a":"\\"a\\":","b":[{"a":1},{"a":2}],"c":{"a":{}},"constructor":1}';
  const args = [
    '--handler',
    'h',
    '--in',
    '5m',
    '--payload',
    payload,
    '--label',
    'a=1',
    '--label',
    'b=1',
    '--label',
    'a=1',
  ];
  assert.equal(await cli.run('schedule', 'x', ...args, '--label', 'constructor=x'), 0, cli.stderr);
  const [job] = cli.client.sent[0]!.rest as [{ labels: object; payload: unknown }];
  assert.deepEqual([job.labels, job.payload], [{ a: '1', b: '1', constructor: 'x' }, JSON.parse(payload)]);
});

void test('a file with a key twice is refused', async () => {
  const cli = new FakeCli();
  cli.files['job.json'] = '{"type":"CUSTOM","handler":"h","handler":"i","schedule":{"in":"1s"}}';
  assert.equal(await cli.run('schedule', 'x', '--file', 'job.json'), 2);
  assert.match(cli.stderr, /job\.json has the key "handler" twice/);
});

void test('a file brings the whole job', async () => {
  const cli = new FakeCli();
  cli.files['job.json'] = '{"type":"CUSTOM","handler":"h","schedule":{"in":"1s"}}';
  assert.equal(await cli.run('schedule', 'x', '--file', 'job.json', '--if-exists', 'keep', '--tenant', 'acme'), 0);
  const [job, options] = cli.client.sent[0]?.rest ?? [];
  assert.deepEqual(job, { type: 'CUSTOM', handler: 'h', schedule: { in: '1s' } });
  assert.deepEqual(options, { tenant: 'acme', ifExists: 'keep', ifVersion: undefined });
});

void test('--wait prints the outcome of the next run, not of one that an earlier version left behind', async () => {
  const cli = new FakeCli();
  cli.client.answer = () => {
    cli.client.tell(outcome({ jobVersion: 1, result: 'old' }));
    cli.client.tell(outcome({ jobVersion: 2, result: 'new' }));
    return { version: 2 };
  };
  assert.equal(await cli.run('schedule', 'x', '--handler', 'h', '--in', '1s', '--wait', '--json'), 0);
  assert.equal(cli.document<{ result: string }>().result, 'new');
});

void test('preview shows local times and marks those that a clock change moves', async () => {
  const cli = new FakeCli({});
  const args = ['--cron', '30 2 * * *', '--timezone', 'Europe/Paris', '--from', '2026-03-28T00:00:00Z', '--count', '2'];
  assert.equal(await cli.run('preview', ...args), 0);
  assert.match(cli.stdout, /2026-03-28T02:30:00\.000\+01:00 +2026-03-28T01:30:00\.000Z +in 85 d\n/);
  assert.match(cli.stdout, /2026-03-29T03:30:00\.000\+02:00 .*the clock change skips this time/);
});

void test('preview of a schedule that is invalid exits with 3 and names the field', async () => {
  const cli = new FakeCli({});
  assert.equal(await cli.run('preview', '--cron', '61 * * * *', '--json'), 3);
  assert.equal(cli.document<{ error: { field: string } }>().error.field, 'schedule.cron');
});
