/** The command line over HTTP alone: no Kafka, no PostgreSQL within reach, and what it prints is what it prints beside them. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
const JOBS = `
name: shop
jobs:
  - { jobId: nightly, type: CUSTOM, handler: noop, schedule: { cron: "0 3 * * *", timezone: Europe/Paris } }
  - { jobId: waiting, type: CUSTOM, handler: noop, schedule: { in: 30d }, paused: true }
`;

type Ended = { code: number | null; stdout: string; stderr: string };

describe('the command line over HTTP', { timeout: 240_000 }, () => {
  let belfry: TestDeployment;
  let folder: string;
  let overHttp: Record<string, string>;

  before(async () => {
    belfry = await TestDeployment.create({
      ...{ partitions: 3, env: { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') } },
    });
    folder = await mkdtemp(join(tmpdir(), 'belfry-cli-http-'));
    await writeFile(join(folder, 'jobs.yaml'), JOBS);
    const key = await belfry.key(['admin']);
    const [service] = await Promise.all([belfry.api(), belfry.timer(), belfry.executor()]);
    const url = `http://127.0.0.1:${await service.port}`;
    const { PATH = '', NODE_COMPILE_CACHE = '' } = belfry.env;
    overHttp = { PATH, NODE_COMPILE_CACHE, BELFRY_API_URL: url, BELFRY_API_KEY: key };
  });
  after(async () => {
    await belfry.destroy();
    await rm(folder, { recursive: true });
  });

  const start = (env: Record<string, string>, args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [main, ...args], {
      env: { ...env, BELFRY_DATA_DIR: folder, LOG_LEVEL: '' },
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const ended = async (child: ChildProcess): Promise<Ended> => {
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stdout, stderr };
  };
  const http = (...args: string[]): Promise<Ended> => ended(start(overHttp, args));
  const ok = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await http(...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as T;
  };
  /** What is printed is the same both ways. */
  const alike = async (...args: string[]): Promise<string> => {
    const [one, other] = await Promise.all([http(...args), ended(start(belfry.env, args))]);
    assert.deepEqual(one, other, args.join(' '));
    assert.equal(one.code, 0, one.stderr);
    return one.stdout;
  };

  it('schedules and waits, hears events, and says with its exit code what came of a run', async () => {
    const watch = start(overHttp, ['events', 'watch', '--limit', '1', '--json']);
    const watched = ended(watch);
    await once(createInterface(watch.stderr!), 'line');
    const done = await ok<{ status: string }>('schedule', 'hello', '--handler', 'noop', '--in', '100ms', '--wait');
    assert.equal(done.status, 'COMPLETED');
    assert.equal((JSON.parse((await watched).stdout) as { jobId: string }).jobId, 'hello');
    const failed = await http('schedule', 'bad', '--handler', 'fails', '--retries', '0', '--in', '100ms', '--wait');
    assert.equal(failed.code, 1, failed.stdout + failed.stderr);
  });

  it('applies a file, twice with one effect, exports it and imports it again', async () => {
    assert.match((await http('apply', '-f', 'jobs.yaml')).stdout, /2 added/);
    assert.match((await http('apply', '-f', 'jobs.yaml')).stdout, /0 added, 0 changed, 2 unchanged/);
    await writeFile(join(folder, 'exported.yaml'), await alike('export'));
    assert.equal((await http('import', '-f', 'exported.yaml')).code, 3, 'they exist');
    assert.match((await http('import', '-f', 'exported.yaml', '--replace')).stdout, /^2 imported/);
  });

  it('steers jobs', async () => {
    for (const [verb, state] of Object.entries({ pause: 'PAUSED', resume: 'SCHEDULED', cancel: 'CANCELLED' })) {
      assert.equal((await ok<{ state: string }>('jobs', verb, 'nightly')).state, state);
    }
    assert.equal((await ok<{ trigger: string }>('jobs', 'trigger', 'hello', '--wait')).trigger, 'manual');
    assert.equal((await http('jobs', 'pause', 'nobody')).code, 4);
    assert.equal((await http('schedule', 'odd', '--handler', 'noop', '--in', 'soon')).code, 3);
    await belfry.client.pause('refused').catch(() => undefined); // stands on the topic of refused commands
  });

  it('emits events, once for each id, over HTTP and beside the servers', async () => {
    await ok('schedule', 'listener', '--handler', 'event', '--on', 'user.signup', '--filter', 'event.plan == "pro"');
    for (const [way, env] of Object.entries({ http: overHttp, direct: belfry.env })) {
      const emit = async (plan: string, id: string): Promise<[string, number | null]> => {
        const args = [
          'events',
          'emit',
          'user.signup',
          '--payload',
          JSON.stringify({ plan, way }),
          '--id',
          id,
          '--json',
        ];
        const { code, stdout, stderr } = await ended(start(env, args));
        assert.equal(code, 0, stderr);
        const { outcome, matched } = JSON.parse(stdout) as { outcome: string; matched: number | null };
        return [outcome, matched];
      };
      assert.deepEqual(await emit('pro', way), ['applied', 1]);
      assert.deepEqual(await emit('pro', way), ['duplicate', null]);
      assert.deepEqual(await emit('free', `${way}-free`), ['applied', 0]);
      await belfry.until(`the run of ${way}`, (all) => all.some(({ cause }) => cause === way));
      const run = belfry.outcomes.find(({ cause }) => cause === way)!;
      assert.deepEqual(run.result, { name: 'user.signup', id: way, payload: { plan: 'pro', way } });
      assert.equal((await ended(start(env, ['events', 'emit', 'belfry.outcome']))).code, 3, 'those are not for users');
    }
  });

  it('backfills what passed without a run, after a dry run that tells what it would, both ways', async () => {
    const hour = 3_600_000;
    const now = Math.floor(Date.now() / hour) * hour;
    const at = (hours: number): string => new Date(now - hours * hour).toISOString();
    await ok('schedule', 'hourly', '--handler', 'noop', '--cron', '0 * * * *');
    const dry = await alike('jobs', 'backfill', 'hourly', '--from', at(4), '--to', at(0), '--dry-run');
    assert.match(dry, /hourly: 4 occurrences would run/);
    assert.equal(belfry.outcomes.filter(({ jobId }) => jobId === 'hourly').length, 0);
    for (const [env, from, to] of [[overHttp, 4, 2] as const, [belfry.env, 2, 0] as const]) {
      const args = ['jobs', 'backfill', 'hourly', '--from', at(from), '--to', at(to), '--json'];
      const { code, stdout, stderr } = await ended(start(env, args));
      assert.equal(code, 0, stderr);
      const told = JSON.parse(stdout) as { outcome: string; matched: number; occurrences: string[] };
      assert.deepEqual([told.outcome, told.occurrences], ['applied', [at(from), at(from - 1)]]);
    }
    const ran = (all: typeof belfry.outcomes) =>
      all.filter(({ jobId, trigger }) => jobId === 'hourly' && trigger === 'backfill');
    await belfry.until('four runs', (all) => new Set(ran([...all]).map(({ runId }) => runId)).size === 4);
    assert.equal((await http('jobs', 'backfill', 'nobody', '--from', at(2), '--to', at(0))).code, 4);
  });

  it('sets quotas of tenants, by an admin of the default tenant', async () => {
    await ok('tenants', 'set', 'initech', '--concurrent-runs', '5', '--handler-runs', 'send=3', '--min-interval', '1m');
    const direct = ['tenants', 'set', 'initech', '--concurrent-runs', 'none', '--jobs', '7'];
    assert.equal((await ended(start(belfry.env, direct))).code, 0);
    const set = await ok<Record<string, unknown>>('tenants', 'set', 'initech', '--history-days', '3');
    assert.deepEqual(
      [set.jobs, set.concurrentRuns, set.handlerRuns, set.minInterval, set.historyDays],
      [7, null, { send: 3 }, '1m', 3],
    );
    await alike('tenants', 'show', 'initech');
    await alike('tenants', 'list', '--json');
    assert.equal((await http('tenants', 'set', 'initech', '--queue', 'nowhere')).code, 4);
    assert.equal((await ended(start(belfry.env, ['tenants', 'set', 'initech', '--queue', 'nowhere']))).code, 4);
    const other = { ...overHttp, BELFRY_API_KEY: await belfry.key(['admin'], 'initech') };
    assert.equal((await ended(start(other, ['tenants', 'set', 'initech', '--jobs', '1000']))).code, 1);
    assert.match((await ended(start(other, ['tenants', 'show', 'initech']))).stdout, /jobs +7/);
    assert.equal((await http('tenants', 'remove', 'initech')).code, 0);
    assert.equal((await http('tenants', 'show', 'initech')).code, 4);
  });

  it('keeps webhooks', async () => {
    const { secret } = await ok<{ secret: string }>('webhooks', 'add', 'https://hook.example.com', '--id', 'hook');
    assert.match(secret, /^whsec_/);
    const changed = await ok<{ disabled: boolean }>('webhooks', 'set', 'hook', '--disable', '--job', 'a');
    assert.equal(changed.disabled, true);
    await alike('webhooks', 'list');
    await alike('webhooks', 'show', 'hook', '--json');
    assert.notEqual((await ok<{ secret: string }>('webhooks', 'rotate', 'hook')).secret, secret);
    for (const env of [overHttp, belfry.env]) {
      const { stdout, stderr } = await ended(start(env, ['webhooks', 'test', 'hook', '--json']));
      const { runId } = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`) as { runId: string };
      await belfry.until('the test ends', (all) => all.some((outcome) => outcome.runId === runId));
    }
    await alike('jobs', 'show', 'belfry.webhook.hook', '--json');
    assert.doesNotMatch(await alike('export'), /belfry\.webhook/);
    assert.equal((await http('webhooks', 'remove', 'hook')).code, 0);
    assert.equal((await http('webhooks', 'show', 'hook')).code, 4);
  });

  it('replays and discards what died', async () => {
    type Dead = { runs: { runId: string; replay: string }[] };
    const [dead] = (await ok<Dead>('dlq', 'list', '--job', 'bad')).runs;
    const { runs } = await ok<Dead>('dlq', 'replay', dead!.runId);
    await belfry.until('the replay failed', (all) => all.some(({ runId }) => runId === runs[0]?.replay));
    await alike('dlq', 'list', '--resolved', '--json');
    await alike('dlq', 'show', dead!.runId, '--json');
    await alike('dlq', 'discard', '--job', 'bad', '--dry-run', '--json');
    assert.deepEqual(await ok('dlq', 'discard', '--job', 'bad', '--note', 'enough'), {
      ...{ discarded: [runs[0]!.replay], more: false },
    });
  });

  it('prints the same as beside the servers, in text and in JSON', async () => {
    const { runs } = await ok<{ runs: { runId: string }[] }>('runs', 'list', '--limit', '1');
    const { rejected } = await ok<{ rejected: { place: string }[] }>('rejected', 'list');
    assert.ok(rejected.length > 0);
    for (const args of [
      ['jobs', 'show', 'waiting'],
      ['runs', 'list', '--status', 'COMPLETED', '--limit', '2'],
      ['runs', 'show', runs[0]!.runId],
      ['rejected', 'list', '--limit', '1'],
      ['rejected', 'show', rejected[0]!.place],
      ['keys', 'list', '--tenant', 'default'],
    ]) {
      await alike(...args, '--json');
    }
    await alike('apply', '-f', 'jobs.yaml', '--dry-run');
    await alike('preview', 'waiting', '--from', '2026-01-01T00:00:00Z');
  });

  it('makes, rotates and ends keys', async () => {
    const made = await ok<{ key: string; prefix: string }>(
      'keys',
      'create',
      'ci',
      '--scopes',
      'read',
      '--expires',
      '1d',
    );
    const { prefix } = await ok<{ prefix: string }>('keys', 'rotate', made.prefix, '--grace', '0s');
    assert.equal((await ok<{ name: string }>('keys', 'revoke', prefix)).name, 'ci');
    assert.equal((await http('keys', 'revoke', '000000000000')).code, 4);
    const reader = { ...overHttp, BELFRY_API_KEY: await belfry.key(['read']) };
    const refused = await ended(start(reader, ['keys', 'list']));
    assert.deepEqual([refused.code, /scope admin/.test(refused.stderr)], [1, true]);
  });

  it('acts for the tenant of its key, and says so when another is named', async () => {
    const { BELFRY_API_URL: url = '', ...others } = overHttp;
    const withoutUrl = { ...others, BELFRY_API_KEY: await belfry.key(['admin'], 'acme') };
    const acme = { ...withoutUrl, BELFRY_API_URL: url };
    const made = await ended(
      start(withoutUrl, ['schedule', 'mine', '--handler', 'noop', '--in', '1d', '--api-url', url]),
    );
    assert.match(made.stdout, /^applied +acme\/mine/, made.stderr);
    assert.match((await ended(start(acme, ['jobs', 'list']))).stdout, /acme\/mine/);
    const other = await ended(start(acme, ['jobs', 'list', '--tenant', 'default']));
    assert.deepEqual([other.code, /tenant acme alone/.test(other.stderr)], [1, true]);
    const all = (await ended(start(acme, ['rejected', 'list']))).stdout;
    assert.match(all, /^no command was refused/, 'those of others are not shown');
    const doctor = await ended(start(acme, ['--api-url', url, 'doctor']));
    assert.deepEqual([doctor.code, /leave out --api-url/.test(doctor.stderr)], [2, true]);
  });
});
