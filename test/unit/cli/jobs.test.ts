import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dead, detail, FakeCli, job, NOW, outcome, run, RUN_ID } from './support.ts';

void test('jobs list shows name, state, next time and schedule', async () => {
  const cli = new FakeCli();
  cli.inspect.jobs = async () => [job(), job({ tenant: 'acme', jobId: 'x', state: 'PAUSED', nextStartAt: null })];
  assert.equal(await cli.run('jobs', 'list'), 0);
  assert.match(cli.stdout, /report +SCHEDULED +2026-01-01T12:03:00\.000Z \(in 3 m\) +every 5m: greet +7/);
  assert.match(cli.stdout, /acme\/x +PAUSED +- /);
});

void test('jobs list says how to begin when there are no jobs, and only that none matches when it was filtered', async () => {
  const cli = new FakeCli();
  cli.inspect.jobs = async () => [];
  assert.equal(await cli.run('jobs', 'list'), 0);
  assert.equal(await cli.run('jobs', 'list', '--state', 'PAUSED'), 0);
  assert.match(cli.out[0] ?? '', /^no jobs yet: schedule one/);
  assert.equal(cli.out[1], 'no such jobs');
});

void test('jobs list says that there are more, to people and to programs', async () => {
  const cli = new FakeCli();
  cli.inspect.jobs = async (_filter, limit) => Array.from({ length: limit }, () => job());
  await cli.run('jobs', 'list', '--limit', '2', '--json');
  const document = cli.document<{ jobs: unknown[]; more: boolean }>();
  assert.equal(document.jobs.length, 2);
  assert.equal(document.more, true);
});

void test('a limit that is no number is a mistake of usage', async () => {
  const cli = new FakeCli();
  assert.equal(await cli.run('jobs', 'list', '--limit', 'all'), 2);
  assert.match(cli.stderr, /--limit takes a whole number from 1 to 100000, not "all"/);
});

void test('jobs show gives programs the job as it could be scheduled again, with its runs', async () => {
  const cli = new FakeCli();
  cli.inspect.job = async () => job();
  cli.inspect.runs = async () => [run()];
  await cli.run('jobs', 'show', 'report', '--json');
  const document = cli.document<{ job: { schedule: object }; runs: { scheduledFor: string }[] }>();
  assert.deepEqual(document.job.schedule, { every: '5m' });
  assert.equal(document.runs[0]?.scheduledFor, '2026-01-01T11:59:00.000Z');
});

void test('jobs show of a job that is not there exits with 4', async () => {
  const cli = new FakeCli();
  cli.inspect.job = async () => undefined;
  assert.equal(await cli.run('jobs', 'show', 'nope'), 4);
  assert.match(cli.stderr, /There is no job nope/);
});

void test('jobs trigger sends its own payload, null too, and waits for its own run only', async () => {
  const cli = new FakeCli();
  cli.client.answer = () => {
    cli.client.tell(outcome({ cause: 'another' }));
    cli.client.tell(outcome({ cause: 'id-1', status: 'FAILED', error: { code: 'timeout', message: 'slow' } }));
    return {};
  };
  assert.equal(await cli.run('jobs', 'trigger', 'report', '--payload', 'null', '--wait'), 1);
  assert.deepEqual(cli.client.sent[0]?.rest, [
    { tenant: 'default', commandId: 'id-1', payload: null, overlap: undefined },
  ]);
  assert.match(cli.stdout, /FAILED +report +run .* attempt 1 {2}12 ms {2}timeout: slow$/);
});

void test('a wait that hears nothing ends with 5 and says where to look', async () => {
  const cli = new FakeCli();
  const ended = cli.run('jobs', 'trigger', 'report', '--wait', '--wait-timeout', '30s');
  await cli.clock.advance(60_000 + 30_000);
  assert.equal(await ended, 5);
  assert.match(cli.stderr, /belfry doctor/);
});

void test('runs list shows why a run is where it is', async () => {
  const cli = new FakeCli();
  cli.inspect.runs = async () => [
    run({ status: 'RETRYING', retryAt: NOW + 4_000, finishedAt: null }),
    run({ status: 'SKIPPED', error: null, reason: 'missed', count: 1200 }),
  ];
  assert.equal(await cli.run('runs', 'list'), 0);
  assert.match(cli.stdout, /RETRYING .*timeout: too slow; next attempt in 4 s/);
  assert.match(cli.stdout, /SKIPPED .*missed × 1200/);
});

void test('runs list takes times as instants and as so long ago', async () => {
  const cli = new FakeCli();
  let asked: object = {};
  cli.inspect.runs = async (filter) => {
    asked = filter;
    return [];
  };
  await cli.run('runs', 'list', '--since', '24h', '--until', '2026-01-01T00:00:00Z');
  assert.deepEqual(asked, {
    ...{ tenant: undefined, jobId: undefined, status: undefined },
    since: NOW - 86_400_000,
    until: Date.UTC(2026, 0, 1),
  });
  assert.equal(await cli.run('runs', 'list', '--since', 'yesterday'), 2);
});

void test('runs show of a dead run tells every failure, the last one too', async () => {
  const cli = new FakeCli();
  const first = {
    attempt: 1,
    startedAt: NOW,
    finishedAt: NOW,
    worker: 'w1',
    error: { code: 'http_status', message: '503' },
  };
  const due = { payload: { invoice: 42 }, failures: [first] } as never;
  cli.inspect.run = async () => detail({ due, attempt: 2 });
  assert.equal(await cli.run('runs', 'show', RUN_ID.toUpperCase()), 0);
  assert.match(cli.stdout, /payload +\{"invoice":42\}/);
  assert.match(cli.stdout, /1 .*http_status: 503\n2 .*timeout: too slow/);
});

void test('what came from outside cannot move the cursor of the terminal', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => [dead({ error: { code: 'handler_error', message: 'a\u001b[2Jb\nc' } })];
  await cli.run('dlq', 'list');
  assert.match(cli.stdout, /handler_error: a \[2Jb c/);
});

void test('runs cancel cancels the run of its job and tenant, also one that is in no list yet', async () => {
  const cli = new FakeCli();
  cli.inspect.run = async (runId) => (runId === RUN_ID ? detail({ tenant: 'acme' }) : undefined);
  assert.equal(await cli.run('runs', 'cancel', RUN_ID.toUpperCase()), 0, cli.stderr);
  assert.deepEqual(cli.client.sent, [{ command: 'cancelRun', jobId: 'report', rest: [RUN_ID, { tenant: 'acme' }] }]);
  assert.equal(cli.stdout, `${RUN_ID} of acme/report is cancelled: a running one ends within 10 s`);
  const other = RUN_ID.replace(/1$/, '2');
  assert.equal(await cli.run('runs', 'cancel', other), 4);
  assert.match(cli.stderr, /There is no run .*2: with --job it is found also before it begins/);
  assert.equal(await cli.run('runs', 'cancel', other, '--job', 'later'), 0);
  assert.deepEqual(cli.client.sent[1], { command: 'cancelRun', jobId: 'later', rest: [other, { tenant: 'default' }] });
});

void test('runs cancel does nothing to a run of another job or tenant than was named', async () => {
  for (const args of [
    ['--tenant', 'other'],
    ['--job', 'other'],
  ]) {
    const cli = new FakeCli();
    cli.inspect.run = async () => detail();
    assert.equal(await cli.run('runs', 'cancel', RUN_ID, ...args), 4);
    assert.match(cli.stderr, /is not one of .*leave out --tenant and --job/);
    assert.deepEqual(cli.client.sent, []);
  }
});
