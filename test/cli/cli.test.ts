/** The command line as people use it: real processes, real servers. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';

const { KAFKA_BROKERS, DATABASE_URL } = process.env;
const skip =
  KAFKA_BROKERS && DATABASE_URL ? undefined : 'needs KAFKA_BROKERS and DATABASE_URL: run it by run-with-stack.ts';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
const deployment = `cli-${randomUUID().slice(0, 8)}`;

const HANDLERS = `
export const handlers = {
  greet: ({ payload }) => ({ greeting: 'Hello, ' + payload.name }),
  broken: () => { throw new Error('always fails'); },
};
`;

type Ended = { code: number | null; stdout: string; stderr: string };

void describe('the command line', { skip, timeout: 240_000 }, () => {
  let folder = '';
  const services: ChildProcess[] = [];

  const start = (...args: string[]): ChildProcess => {
    const env = {
      ...process.env,
      ...{ BELFRY_TOPIC_PREFIX: `${deployment}.`, BELFRY_DB_SCHEMA: deployment.replaceAll('-', '_') },
      ...{ BELFRY_DATA_DIR: folder, BELFRY_PARTITIONS: '3', PORT: '0', LOG_LEVEL: '' },
    };
    return spawn(process.execPath, [main, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const ended = async (child: ChildProcess): Promise<Ended> => {
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  };
  const belfry = (...args: string[]): Promise<Ended> => ended(start(...args));
  const document = async <T>(...args: string[]): Promise<T> => {
    const { stdout, stderr } = await belfry(...args, '--json');
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout) as T;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-cli-'));
    await writeFile(join(folder, 'handlers.mjs'), HANDLERS);
  });
  after(async () => {
    for (const service of services) {
      if (service.exitCode !== null) continue;
      service.kill('SIGKILL');
      await once(service, 'exit');
    }
    await rm(folder, { recursive: true });
  });

  void it('before the migration says what to do', async () => {
    const list = await belfry('jobs', 'list');
    assert.equal(list.code, 1);
    assert.match(list.stderr, /^error: .*belfry migrate/);
    const pause = await belfry('jobs', 'pause', 'x');
    assert.equal(pause.code, 1);
    assert.match(pause.stderr, /^error: .*belfry migrate/);
  });

  void it('migrates twice at once: each topic is made once, both succeed', async () => {
    const reports = await Promise.all([1, 2].map(() => document<{ topicsCreated: string[]; drifts: [] }>('migrate')));
    const made = reports.map(({ topicsCreated }) => topicsCreated.length).sort((a, b) => a - b);
    assert.deepEqual(made, [0, 9]);
    assert.deepEqual(
      reports.flatMap(({ drifts }) => drifts),
      [],
    );
  });

  void it('adds a queue later', async () => {
    const { topicsCreated } = await document<{ topicsCreated: string[] }>('migrate', '--queue', 'reports');
    const names = ['high', 'medium', 'low'].map((priority) => `${deployment}.job.due.reports.${priority}`);
    assert.deepEqual(topicsCreated, names);
  });

  void it('lists no jobs yet, and doctor finds that no service runs', async () => {
    const list = await belfry('jobs', 'list');
    assert.equal(list.code, 0);
    assert.match(list.stdout, /^no jobs yet/);
    const doctor = await belfry('doctor');
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /problem +timers +no timer service ever ran/);
    assert.match(doctor.stdout, /ok +topics +12/);
  });

  void it('starts a timer and an executor, schedules a job and waits for its run', async () => {
    services.push(start('timer'), start('executor', '--handlers', 'handlers.mjs'));
    const args = ['schedule', 'hello', '--handler', 'greet', '--payload', '{"name":"you"}', '--in', '1s', '--wait'];
    const { code, stdout, stderr } = await belfry(...args, '--wait-timeout', '60s', '--json');
    assert.equal(code, 0, stderr);
    const { status, result } = JSON.parse(stdout) as { status: string; result: object };
    assert.deepEqual({ status, result }, { status: 'COMPLETED', result: { greeting: 'Hello, you' } });
    const { jobs } = await document<{ jobs: { jobId: string; state: string }[] }>('jobs', 'list');
    assert.deepEqual(
      jobs.map(({ jobId, state }) => [jobId, state]),
      [['hello', 'FINISHED']],
    );
  });

  void it('hears events, one JSON document a line', async () => {
    const watch = start('events', 'watch', '--limit', '1', '--json');
    const result = ended(watch);
    await listens(watch);
    const trigger = await belfry('jobs', 'trigger', 'hello');
    assert.equal(trigger.code, 0, trigger.stderr);
    const { code, stdout } = await result;
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { trigger: string }).trigger, 'manual');
  });

  void it('exits with 1 when the run failed, and replays and discards what died', async () => {
    const failed = await belfry('schedule', 'bad', '--handler', 'broken', '--retries', '0', '--in', '1s', '--wait');
    assert.equal(failed.code, 1, failed.stderr);
    assert.match(failed.stdout, /FAILED +bad .*handler_error: always fails/);
    type Dead = { runs: { runId: string; replayOf: string | null }[] };
    const [first] = (await document<Dead>('dlq', 'list', '--job', 'bad')).runs;
    const replay = await document<{ runs: { outcome: string; replay: string }[] }>('dlq', 'replay', first?.runId ?? '');
    assert.equal(replay.runs[0]?.outcome, 'applied');

    let second = first;
    // The replay stands for the run once it is decided; it comes onto the list when it has failed.
    for (const end = Date.now() + 30_000; second?.runId !== replay.runs[0]?.replay && Date.now() < end;)
      [second] = (await document<Dead>('dlq', 'list', '--job', 'bad')).runs;
    assert.equal(second?.replayOf, first?.runId);
    assert.equal((await belfry('dlq', 'discard', '--job', 'bad', '--note', 'enough')).stdout, '1 discarded\n');
    assert.deepEqual((await document<Dead>('dlq', 'list')).runs, []);
  });

  void it('exits with 3 for what is refused, which the list of refused commands shows', async () => {
    const refused = await belfry('schedule', 'odd', '--handler', 'greet', '--in', 'soon');
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /job\.schedule\.in/);
    const { rejected } = await document<{ rejected: { key: string; error: { code: string } }[] }>('rejected', 'list');
    assert.deepEqual(
      rejected.map(({ key, error }) => [key, error.code]),
      [['default/odd', 'invalid']],
    );
  });

  void it('exits with 4 for a job that is not there', async () => {
    assert.equal((await belfry('jobs', 'cancel', 'nope')).code, 4);
    assert.equal((await belfry('jobs', 'show', 'nope')).code, 4);
  });

  void it('is healthy as long as services run, and they end cleanly on SIGTERM', async () => {
    const doctor = await belfry('doctor');
    assert.equal(doctor.code, 0, doctor.stdout);
    for (const service of services) service.kill('SIGTERM');
    const codes = await Promise.all(services.map(async (service) => (await once(service, 'exit'))[0] as number));
    assert.deepEqual(codes, [0, 0]);
  });
});

/** Resolves when a watch has begun, which it says on standard error. */
async function listens(watch: ChildProcess): Promise<void> {
  if (watch.stderr === null) return;
  await once(createInterface(watch.stderr), 'line');
}
