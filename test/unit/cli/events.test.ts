import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejectedRecordOf, type RejectedRecord } from '../../../services/core/rejected-record.ts';
import { FakeCli, NOW, outcome, RUN_ID } from './support.ts';

/** Resolves once the command listens. */
async function listening(cli: FakeCli): Promise<void> {
  await cli.clock.advance(0);
}

void test('events watch prints a line for each outcome, until so many came', async () => {
  const cli = new FakeCli();
  const ended = cli.run('events', 'watch', '--limit', '2');
  await listening(cli);
  cli.client.tell(outcome({ result: { ok: true } }));
  cli.client.tell(outcome({ status: 'SKIPPED', startedAt: null, reason: 'overlap' }));
  cli.client.tell(outcome());
  assert.equal(await ended, 0);
  assert.deepEqual(cli.out, [
    `12:00:00.012  COMPLETED  report                run ${RUN_ID}  attempt 1  12 ms  {"ok":true}`,
    `12:00:00.012  SKIPPED    report                run ${RUN_ID}  overlap`,
  ]);
});

void test('events watch --json prints one document a line, and Ctrl-C ends it with 0', async () => {
  const cli = new FakeCli();
  const ended = cli.run('events', 'watch', '--json');
  await listening(cli);
  cli.client.tell(outcome());
  cli.client.tell(outcome());
  cli.stop.abort();
  assert.equal(await ended, 0);
  assert.deepEqual(
    cli.out.map((line) => (JSON.parse(line) as { finishedAt: string }).finishedAt),
    ['2026-01-01T12:00:00.012Z', '2026-01-01T12:00:00.012Z'],
  );
});

const REJECTED: RejectedRecord = rejectedRecordOf(
  {
    ...{ topic: 'job.commands', partition: 3, offset: 17n, timestampMs: NOW - 5_001, headers: {} },
    ...{ key: Buffer.from('default/x'), value: Buffer.from('{"type":') },
  },
  { code: 'unreadable', message: 'is no JSON' },
  {},
  NOW - 5_000,
);

async function withRejected(records: readonly RejectedRecord[]): Promise<FakeCli> {
  const cli = new FakeCli();
  await cli.rejections.record(records);
  return cli;
}

void test('rejected list shows the reason and the place, the latest first', async () => {
  const cli = await withRejected([REJECTED, { ...REJECTED, topic: 'job.retry', partition: 4, key: null, at: NOW }]);
  assert.equal(await cli.run('rejected', 'list'), 0);
  assert.match(cli.stdout, /job.retry-4-17 .*\(now\) +- +unreadable: is no JSON\n3-17 .*\(5 s ago\) +default\/x/);
});

void test('rejected show gives back the bytes as they came', async () => {
  const cli = await withRejected([REJECTED]);
  assert.equal(await cli.run('rejected', 'show', '3-17', '--json'), 0);
  const { value, valueBase64, error } = cli.document<{ value: string; valueBase64: string; error: object }>();
  assert.equal(value, '{"type":');
  assert.equal(valueBase64, Buffer.from('{"type":').toString('base64'));
  assert.deepEqual(error, { code: 'unreadable', message: 'is no JSON' });
  assert.equal(await cli.run('rejected', 'show', '3-18'), 4);
  assert.equal(await cli.run('rejected', 'show', 'three'), 2);
});

void test('rejected list says when nothing was refused', async () => {
  const cli = await withRejected([]);
  assert.equal(await cli.run('rejected', 'list'), 0);
  assert.match(cli.stdout, /^no command was refused/);
});
