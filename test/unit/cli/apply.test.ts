import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Job } from '../../../services/core/model.ts';
import type { InspectedJob } from '../../../services/core/ports/inspect.ts';
import { parseJobSpec } from '../../../services/core/spec/parse-command.ts';
import { jobKey } from '../../../services/core/topics.ts';
import { FakeCli, job, NOW } from './support.ts';

const FILE = `
name: shop
jobs:
  - jobId: nightly          # a comment
    type: CUSTOM
    handler: greet
    schedule: { cron: "0 3 * * *", exclude: [2026-12-25] }
  - jobId: report
    type: CUSTOM
    handler: greet
    schedule: { every: 10m }
    labels: { team: billing }
`;

function spec(input: object): Job['spec'] {
  const parsed = parseJobSpec(input, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  assert.ok(!('rejection' in parsed));
  return parsed;
}

/** The command line with these files, and these jobs there. */
function cli(files: Record<string, string>, jobs: InspectedJob[] = []): FakeCli {
  const fake = new FakeCli();
  fake.files = files;
  const byKey = new Map(jobs.map((each) => [jobKey(each.tenant, each.jobId), each]));
  fake.inspect.job = async (tenant, jobId) => byKey.get(jobKey(tenant, jobId));
  fake.inspect.managedJobs = async (name) => jobs.filter(({ spec }) => spec.labels['belfry.managed-by'] === name);
  fake.inspect.jobs = async ({ state }) => jobs.filter((each) => (state ?? each.state) === each.state);
  return fake;
}

const kept = (fields: Partial<InspectedJob>, input: object = {}): InspectedJob =>
  job({
    spec: spec({
      ...{ type: 'CUSTOM', handler: 'greet', schedule: { every: '10m' } },
      labels: { 'belfry.managed-by': 'shop' },
      ...input,
    }),
    ...fields,
  });

describe('belfry apply', () => {
  it('makes what is missing, labelled with the name of the file, and only if nobody else makes it meanwhile', async () => {
    const fake = cli({ 'jobs.yaml': FILE });
    assert.equal(await fake.run('apply', '-f', 'jobs.yaml'), 0);
    assert.deepEqual(fake.out, ['+ nightly', '+ report', '2 added, 0 changed, 0 unchanged, 0 to be pruned']);
    const [nightly, report] = fake.client.sent;
    assert.deepEqual(nightly!.rest[1], { tenant: 'default', ifExists: 'reject' });
    assert.deepEqual((nightly!.rest[0] as { labels: object }).labels, { 'belfry.managed-by': 'shop' });
    assert.deepEqual((report!.rest[0] as { labels: object }).labels, { team: 'billing', 'belfry.managed-by': 'shop' });
  });

  it('shows field by field what changes, and changes that version only', async () => {
    const stored = kept({ version: 7 }, { schedule: { every: '5m' }, payload: { n: 1 } });
    const fake = cli({ 'jobs.yaml': FILE }, [stored]);
    assert.equal(await fake.run('apply', '-f', 'jobs.yaml'), 0);
    assert.deepEqual(fake.out.slice(1), [
      '~ report',
      '    payload.n: 1 → (none)',
      '    schedule.every: 5m → 10m',
      '    labels.team: (none) → billing',
      '1 added, 1 changed, 0 unchanged, 0 to be pruned',
    ]);
    assert.deepEqual(fake.client.sent[1]!.rest[1], { tenant: 'default', ifVersion: 7 });
  });

  it('takes a default that the file begins to say for a change, and one that it leaves out, too', async () => {
    const of = (more: string): string =>
      `name: shop\njobs: [{ jobId: report, type: CUSTOM, handler: greet, schedule: { every: 10m }${more} }]`;
    const said = cli({ f: of(', timeout: 15m') }, [kept({})]);
    await said.run('apply', '-f', 'f');
    assert.deepEqual([said.out[1], said.client.sent.length], ['    timeout: (none) → 15m', 1]);
    const unsaid = cli({ f: of('') }, [kept({}, { timeout: '15m' })]);
    await unsaid.run('apply', '-f', 'f');
    assert.deepEqual([unsaid.out[1], unsaid.client.sent.length], ['    timeout: 15m → (none)', 1]);
  });

  it('a second time sends nothing', async () => {
    const file = 'name: shop\njobs: [{ jobId: report, type: CUSTOM, handler: greet, schedule: { every: 10m } }]';
    for (const state of ['SCHEDULED', 'PAUSED', 'FINISHED'] as const) {
      const fake = cli({ f: file }, [kept({ state })]);
      assert.equal(await fake.run('apply', '-f', 'f'), 0);
      assert.deepEqual(fake.client.sent, []);
      assert.equal(fake.stdout, '0 added, 0 changed, 1 unchanged, 0 to be pruned');
    }
    const cancelled = cli({ f: file }, [kept({ state: 'CANCELLED' })]);
    await cancelled.run('apply', '-f', 'f');
    assert.equal(cancelled.client.sent.length, 1, 'what was cancelled is scheduled again');
  });

  it('--dry-run does nothing; --prune cancels what this name keeps, and never what somebody else made', async () => {
    const jobs = [
      kept({ jobId: 'gone' }),
      kept({ jobId: 'over', state: 'CANCELLED' }),
      kept({ jobId: 'other' }, { labels: { 'belfry.managed-by': 'warehouse' } }),
      job({ jobId: 'by-hand' }),
    ];
    const fake = cli({ f: 'name: shop\njobs: []' }, jobs);
    await fake.run('apply', '-f', 'f', '--dry-run', '--prune');
    assert.deepEqual(fake.client.sent, []);
    assert.match(fake.stdout, /^- gone\n.*1 pruned; nothing was done$/s);
    await fake.run('apply', '-f', 'f');
    assert.deepEqual(fake.client.sent, []);
    await fake.run('apply', '-f', 'f', '--prune');
    assert.deepEqual(
      fake.client.sent.map(({ command, jobId }) => [command, jobId]),
      [['cancel', 'gone']],
    );
  });

  it('pauses and resumes as the file says, in one go with the schedule', async () => {
    const of = (paused: boolean): string =>
      `name: shop\njobs: [{ jobId: report, paused: ${paused}, type: CUSTOM, handler: greet, schedule: { every: 10m } }]`;
    const commands = async (text: string, jobs: InspectedJob[]): Promise<string[]> => {
      const fake = cli({ f: text }, jobs);
      await fake.run('apply', '-f', 'f');
      return fake.client.sent.map(({ command }) => command);
    };
    assert.deepEqual(await commands(of(true), []), ['schedule', 'pause']);
    assert.deepEqual(await commands(of(true), [kept({})]), ['pause']);
    assert.deepEqual(await commands(of(false), [kept({ state: 'PAUSED' })]), ['resume']);
    assert.deepEqual(await commands(of(true), [kept({ state: 'PAUSED' })]), []);
  });

  it('a mistake in one job leaves all others alone, and says where it is', async () => {
    const fake = cli({ f: `${FILE}\n  - { jobId: odd, type: CUSTOM, handler: greet, schedule: { cron: often } }` });
    assert.equal(await fake.run('apply', '-f', 'f'), 3);
    assert.match(fake.stderr, /f: jobs\[2\] \(odd\): schedule\.cron/);
    assert.deepEqual(fake.client.sent, []);
  });

  it('what is no file of jobs is a mistake of usage', async () => {
    const wrong = [
      'jobs: [',
      'job: []',
      'jobs: 7',
      'jobs: [{ jobId: "a b" }]',
      `${FILE}  - { jobId: nightly, type: CUSTOM, handler: x, schedule: { in: 1s } }`,
    ];
    for (const text of wrong) assert.equal(await cli({ f: text }).run('apply', '-f', 'f'), 2, text);
    assert.equal(await cli({}).run('apply', '-f', 'nowhere'), 2);
    assert.equal(await cli({}).run('apply'), 2);
  });

  it('sends a bounded number at a time, so that none waits for its answer while others are still to be sent', async () => {
    const jobs = Array.from(
      { length: 1_200 },
      (_, n) => `  - { jobId: j${n}, type: CUSTOM, handler: h, schedule: { every: 5m } }`,
    );
    for (const args of [['apply'], ['import']]) {
      const fake = cli({ f: `jobs:\n${jobs.join('\n')}` });
      let [underWay, most] = [0, 0];
      const { schedule } = fake.client;
      fake.client.schedule = async (...asked) => {
        most = Math.max(most, (underWay += 1));
        const result = await schedule(...asked);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        return result;
      };
      assert.equal(await fake.run(...args, '-f', 'f'), 0);
      assert.deepEqual([fake.client.sent.length, most], [1_200, 500], args[0]);
    }
  });

  it('one that is refused stops no other, and decides the exit code', async () => {
    const fake = cli({ f: FILE });
    fake.client.answer = ({ jobId }) =>
      jobId === 'nightly' ? new BelfryError('conflict', 'somebody was quicker') : {};
    assert.equal(await fake.run('apply', '-f', 'f', '--json'), 3);
    const { added, refused } = fake.document<{ added: object[]; refused: { jobId: string; code: string }[] }>();
    assert.equal(added.length, 2);
    assert.deepEqual(
      refused.map(({ jobId, code }) => [jobId, code]),
      [['nightly', 'conflict']],
    );
  });
});

describe('belfry export and import', () => {
  it('keep what a job says, be it the default: it comes before what the handler says', async () => {
    const said = { timeout: '15m', retry: { maxRetries: 3 } };
    const fake = cli({}, [kept({ jobId: 'says' }, said), kept({ jobId: 'says-nothing' })]);
    await fake.run('export', '--json');
    const { jobs } = fake.document<{ jobs: Record<string, unknown>[] }>();
    assert.deepEqual(
      jobs.map(({ timeout, retry }) => ({ timeout, retry })),
      [said, { timeout: undefined, retry: undefined }],
    );
    const other = cli({ f: fake.stdout });
    assert.equal(await other.run('import', '-f', 'f'), 0);
    const imported = other.client.sent.map(({ rest: [written] }) => spec(written as object).explicit);
    assert.deepEqual(imported, [['timeout', 'retry.maxRetries'], []]);
  });

  it('take what a release before stored for unsaid where it equals the default', async () => {
    const former = kept({ jobId: 'former' });
    const { explicit: _unknown, ...before } = former.spec;
    const fake = cli({}, [{ ...former, spec: before }]);
    await fake.run('export', '--json');
    const { jobs } = fake.document<{ jobs: object[] }>();
    const labels = { 'belfry.managed-by': 'shop' };
    assert.deepEqual(jobs, [{ jobId: 'former', type: 'CUSTOM', handler: 'greet', schedule: { every: '10m' }, labels }]);
  });

  it('writes live jobs without their defaults, as apply takes them without a difference', async () => {
    const jobs = [
      kept({ jobId: 'a' }, { schedule: { cron: '0 9 * * *', timezone: 'Europe/Paris' }, payload: { n: [1, 'on'] } }),
      kept({ jobId: 'b', state: 'PAUSED' }, { retry: { maxRetries: 5 }, timeout: '1m', priority: 'high' }),
      kept({ jobId: 'c', state: 'CANCELLED' }),
    ];
    const fake = cli({}, jobs);
    assert.equal(await fake.run('export'), 0);
    assert.equal(
      fake.stdout,
      `jobs:
  - jobId: a
    type: CUSTOM
    handler: greet
    payload:
      n:
        - 1
        - on
    schedule:
      cron: 0 9 * * *
      timezone: Europe/Paris
    labels:
      belfry.managed-by: shop
  - jobId: b
    paused: true
    type: CUSTOM
    handler: greet
    schedule:
      every: 10m
    priority: high
    retry:
      maxRetries: 5
    timeout: 1m
    labels:
      belfry.managed-by: shop`,
    );
    const again = cli({ f: `name: shop\n${fake.stdout}` }, jobs.slice(0, 2));
    await again.run('apply', '-f', 'f');
    assert.equal(again.stdout, '0 added, 0 changed, 2 unchanged, 0 to be pruned');
  });

  it('is narrowed by tenant, state and labels; what counts from a command is written as its time', async () => {
    const jobs = [
      kept({ jobId: 'a', tenant: 'acme', nextAt: NOW + 5_000 }, { schedule: { in: '1h' } }),
      job({ jobId: 'b', tenant: 'acme' }),
    ];
    const fake = cli({}, jobs);
    await fake.run('export', '--managed-by', 'shop', '--json');
    assert.deepEqual(fake.document<object>(), {
      tenant: 'acme',
      jobs: [
        {
          ...{ jobId: 'a', type: 'CUSTOM', handler: 'greet', schedule: { at: '2026-01-01T12:00:05.000Z' } },
          labels: { 'belfry.managed-by': 'shop' },
        },
      ],
    });
  });

  it('import keeps ids and refuses all when one exists, unless it may replace', async () => {
    const fake = cli({ f: FILE }, [job()]);
    assert.equal(await fake.run('import', '-f', 'f'), 3);
    assert.match(fake.stderr, /report exists already; nothing was imported/);
    assert.deepEqual(fake.client.sent, []);
    assert.equal(await fake.run('import', '-f', 'f', '--replace'), 0);
    assert.deepEqual(
      fake.client.sent.map(({ jobId, rest }) => [jobId, rest[1]]),
      [
        ['nightly', { tenant: 'default', ifExists: 'replace' }],
        ['report', { tenant: 'default', ifExists: 'replace' }],
      ],
    );
    const empty = cli({ f: FILE });
    await empty.run('import', '-f', 'f');
    assert.equal(empty.stdout, '2 imported');
    assert.deepEqual(empty.client.sent[0]!.rest[1], { tenant: 'default', ifExists: 'reject' });
  });
});
