/** One job that cannot be read spoils no list: it is shown as that, with its id. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspectedJobOf, type InspectedRow } from '../../services/adapters/postgres/inspect-rows.ts';
import { HttpReader } from '../../services/cli/http-reader.ts';
import type { HttpApi } from '../../services/client/http/api.ts';
import { explain } from '../../services/client/why.ts';
import type { InspectedJob } from '../../services/core/ports/inspect.ts';
import { jobOf } from '../../services/core/read-resources.ts';
import { jobJson } from '../../services/core/resources.ts';
import { FakeCli, job, NOW } from './cli/support.ts';

const overHttp = (value: object): Record<string, unknown> =>
  JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

/** The row of a job, with another spec. */
function row(jobId: string, spec: string): InspectedRow {
  const { active: _a, buffered: _b, recentCommands: _r, spec: _s, nextStartAt, ...fields } = job({ jobId });
  return { ...fields, spec, active: '[]', buffered: '[]', recentCommands: '[]', downstreams: null, nextStartAt };
}

const damaged = inspectedJobOf(row('damaged', '{"type":"CUS'));
const newer = inspectedJobOf(
  row('newer', JSON.stringify({ ...job().spec, schedule: { kind: 'moon', phase: 'full' } })),
);
const unknownType = inspectedJobOf(row('unknown-type', JSON.stringify({ ...job().spec, type: 'ETL_TASK' })));
const good = inspectedJobOf(row('good', JSON.stringify(job().spec)));
const all: InspectedJob[] = [damaged, good, newer, unknownType];

describe('a job that cannot be read', () => {
  it('is told with its id and why, beside those that can be', () => {
    assert.deepEqual(
      all.map((each) => [each.jobId, each.unreadable?.replace(/: .*/, '')]),
      [
        ['damaged', 'its row is damaged'],
        ['good', undefined],
        ['newer', 'its schedule is of a kind that this release does not know'],
        ['unknown-type', 'it is of a type that this release does not know'],
      ],
    );
    assert.deepEqual(good, job({ jobId: 'good' }));
  });

  it('comes over HTTP as such', () => {
    for (const each of all) {
      const read = jobOf(overHttp(jobJson(each)));
      assert.deepEqual([read.jobId, read.unreadable], [each.jobId, each.unreadable]);
    }
    const ofNewerApi = { ...jobJson(good), job: { type: 'CUSTOM', handler: 'h', schedule: { moon: 'full' } } };
    assert.match(jobOf(overHttp(ofNewerApi)).unreadable ?? '', /this version cannot read it: schedule/);
  });

  it('stops neither a list over HTTP nor its pages', async () => {
    const ask = async (): Promise<object> => ({ jobs: all.map((each) => overHttp(jobJson(each))), nextCursor: null });
    const listed = await new HttpReader({ ask } as unknown as HttpApi, async () => undefined).jobs({}, 10);
    assert.deepEqual(
      listed.map(({ jobId }) => jobId),
      all.map(({ jobId }) => jobId),
    );
  });

  it('is listed and shown by the command line, and left out of an export with a warning', async () => {
    const cli = (): FakeCli => {
      const fake = new FakeCli();
      fake.inspect.jobs = async () => all;
      fake.inspect.job = async () => newer;
      fake.inspect.runs = async () => [];
      return fake;
    };
    const list = cli();
    assert.equal(await list.run('jobs', 'list'), 0);
    assert.match(list.stdout, /newer +SCHEDULED +- +unreadable: its schedule is of a kind/);
    assert.match(list.stdout, /good +SCHEDULED .*every 5m/);
    const asJson = cli();
    assert.equal(await asJson.run('jobs', 'list', '--json'), 0);
    assert.equal(asJson.document<{ jobs: object[] }>().jobs.length, 4);
    const show = cli();
    assert.equal(await show.run('jobs', 'show', 'newer'), 0);
    assert.match(show.stdout, /unreadable +its schedule is of a kind/);
    const exported = cli();
    assert.equal(await exported.run('export'), 0);
    assert.match(exported.stdout, /jobId: good/);
    assert.doesNotMatch(exported.stdout, /newer|damaged/);
    assert.match(exported.stderr, /newer is left out, since it is unreadable/);
  });

  it('is what `why` says of it', async () => {
    const inspect = { job: async () => newer };
    const deps = { inspect, clock: { now: () => NOW } } as unknown as Parameters<typeof explain>[0];
    const { stories } = await explain(deps, { tenant: 'default', jobId: 'newer' }, null);
    assert.deepEqual(
      stories.map(({ verdict }) => verdict),
      ['unreadable'],
    );
  });

  it('is none that an earlier release accepted: what is refused since then can still be read', () => {
    const former = {
      ...jobJson(good),
      job: { type: 'CUSTOM', handler: 'h', schedule: { cron: '*/90 * * * *', jitter: '2h' } },
    };
    assert.equal(jobOf(overHttp(former)).unreadable, undefined);
  });

  it('is none whose times an earlier release told beyond the year 9999', () => {
    const read = jobOf(overHttp({ ...jobJson(good), nextFireAt: '+012026-01-01T00:00:00.000Z' }));
    assert.deepEqual(
      [read.unreadable, jobJson(read)],
      [undefined, { ...jobJson(good), nextFireAt: '9999-12-31T23:59:59.999Z' }],
    );
  });
});
