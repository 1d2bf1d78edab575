import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { runIdOf } from '../../../services/core/run-id.ts';
import { dead, detail, FakeCli, ME, NOW, RUN_ID } from './support.ts';

const OTHER_ID = RUN_ID.replace(/1$/, '2');
const TWO = [dead({ runId: OTHER_ID }), dead({ runId: RUN_ID, tenant: 'acme', jobId: 'invoice' })];

type Replayed = { runs: { runId: string; outcome: string; replay: string | null; error: { code: string } | null }[] };

void test('dlq list shows what is unresolved and where it came from', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => [dead({ replayOf: OTHER_ID })];
  assert.equal(await cli.run('dlq', 'list'), 0);
  assert.match(cli.stdout, new RegExp(`${RUN_ID} +report .*timeout: too slow +replay of ${OTHER_ID}`));
});

void test('dlq list passes its filters on', async () => {
  const cli = new FakeCli();
  let asked: object = {};
  cli.inspect.deadRuns = async (filter) => {
    asked = filter;
    return [];
  };
  await cli.run('dlq', 'list', '--job', 'a', '--tenant', 't', '--error', 'timeout', '--since', '1h', '--resolved');
  const expected = { tenant: 't', jobId: 'a', errorCode: 'timeout', since: NOW - 3_600_000, until: undefined };
  assert.deepEqual(asked, { ...expected, resolved: true });
});

void test('an empty list is said to be one', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => [];
  assert.equal(await cli.run('dlq', 'list'), 0);
  assert.match(cli.stdout, /^no unresolved dead runs/);
});

void test('dlq replay and discard of everything must be asked for in words', async () => {
  for (const verb of ['replay', 'discard']) {
    const cli = new FakeCli();
    assert.equal(await cli.run('dlq', verb), 2);
    assert.match(cli.stderr, /say --all/);
    assert.equal(await cli.run('dlq', verb, RUN_ID, '--all'), 2);
  }
});

void test('dlq replay sends the oldest first, each for its own job, and names the run that repeats it', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => TWO;
  assert.equal(await cli.run('dlq', 'replay', '--all', '--json'), 0);
  const orders = cli.client.sent.map(({ jobId, rest }) => [jobId, ...rest]);
  assert.deepEqual(orders, [
    ['invoice', RUN_ID, { tenant: 'acme', commandId: 'id-1', force: undefined }],
    ['report', OTHER_ID, { tenant: 'default', commandId: 'id-2', force: undefined }],
  ]);
  const key = {
    tenant: 'acme',
    jobId: 'invoice',
    trigger: 'replay',
    cause: 'id-1',
    scheduledFor: NOW - 60_000,
  } as const;
  assert.equal(cli.document<Replayed>().runs[0]?.replay, runIdOf(key));
});

void test('--dry-run shows the runs and sends nothing', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => TWO;
  assert.equal(await cli.run('dlq', 'replay', '--error', 'timeout', '--dry-run'), 0);
  assert.match(cli.stdout, /^would replay 2 runs\n/);
  assert.deepEqual(cli.client.sent, []);
});

void test('--limit caps what is replayed, and the rest is mentioned', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async (_filter, limit) => TWO.slice(0, limit);
  assert.equal(await cli.run('dlq', 'replay', '--all', '--limit', '1'), 0);
  assert.equal(cli.client.sent.length, 1);
  assert.match(cli.stderr, /more than 1/);
});

void test('--rate spaces the commands out', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => TWO;
  const ended = cli.run('dlq', 'replay', '--all', '--rate', '30/m');
  await cli.clock.advance(1_999);
  assert.equal(cli.client.sent.length, 1);
  await cli.clock.advance(2_001);
  assert.equal(await ended, 0);
  assert.equal(cli.client.sent.length, 2);
});

void test('one run that is refused does not stop the others, and the exit code tells of it', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => TWO;
  cli.client.answer = ({ jobId }) => (jobId === 'invoice' ? new BelfryError('conflict', 'has a live replay') : {});
  assert.equal(await cli.run('dlq', 'replay', '--all', '--json'), 3);
  const outcomes = cli.document<Replayed>().runs.map(({ outcome, error }) => error?.code ?? outcome);
  assert.deepEqual(outcomes, ['conflict', 'applied']);
});

void test('Ctrl-C ends a slow replay; what was sent is reported', async () => {
  const cli = new FakeCli();
  cli.inspect.deadRuns = async () => TWO;
  const ended = cli.run('dlq', 'replay', '--all', '--rate', '1/m', '--json');
  await cli.clock.advance(1_000);
  cli.stop.abort();
  assert.equal(await ended, 0);
  assert.equal(cli.document<Replayed>().runs.length, 1);
});

void test('a run that is named must be there, and dead', async () => {
  const cli = new FakeCli();
  cli.inspect.run = async (runId) => (runId === RUN_ID ? detail({ status: 'COMPLETED' }) : undefined);
  assert.equal(await cli.run('dlq', 'replay', RUN_ID), 4);
  assert.equal(await cli.run('dlq', 'replay', OTHER_ID), 4);
  assert.equal(await cli.run('dlq', 'replay', 'nonsense'), 2);
  assert.match(cli.stderr, /is COMPLETED, not dead/);
  assert.deepEqual(cli.client.sent, []);
});

void test('dlq discard marks the runs with the note', async () => {
  const cli = new FakeCli();
  let marked: unknown[] = [];
  cli.inspect.run = async () => detail();
  cli.inspect.discard = async (...args) => {
    marked = args;
    return [RUN_ID];
  };
  assert.equal(await cli.run('dlq', 'discard', RUN_ID, '--note', 'paid by hand'), 0);
  assert.deepEqual(marked, [[RUN_ID], 'paid by hand', ME]);
  assert.equal(cli.stdout, '1 discarded');
});
