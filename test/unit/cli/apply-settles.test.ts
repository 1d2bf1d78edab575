/** Whatever a file of jobs says: applied a second time, it changes nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import type { InspectedJob } from '../../../services/core/ports/inspect.ts';
import { jobOf } from '../../../services/core/read-resources.ts';
import { jobJson } from '../../../services/core/resources.ts';
import { parseJobSpec } from '../../../services/core/spec/parse-command.ts';
import { arbitraryJobs } from '../../support/arbitrary-jobs.ts';
import { FakeCli, job } from './support.ts';

const OPTIONS = { allowInlineSecrets: false, topicPrefix: '', allowTopics: null };

/** The command line at a deployment that takes what it is sent, as a timer does. */
function deployment(): { apply(file: string): Promise<string>; exported(): Promise<string> } {
  const stored = new Map<string, InspectedJob>();
  const fresh = (): FakeCli => {
    const fake = new FakeCli();
    // As the API tells of it, and the command line reads it there.
    const told = (each: InspectedJob): InspectedJob =>
      jobOf(JSON.parse(JSON.stringify(jobJson(each))) as never) as unknown as InspectedJob;
    const all = (): InspectedJob[] => [...stored.values()].map(told);
    fake.inspect.job = async (_tenant, jobId) => all().find((each) => each.jobId === jobId);
    fake.inspect.managedJobs = async () => all();
    fake.inspect.jobs = async () => all();
    fake.client.answer = ({ command, jobId, rest: [written] }) => {
      assert.equal(command, 'schedule');
      const spec = parseJobSpec(JSON.parse(JSON.stringify(written)), OPTIONS);
      assert.ok(!('rejection' in spec), JSON.stringify(spec));
      stored.set(jobId, job({ jobId, spec }));
      return {};
    };
    return fake;
  };
  const run = async (fake: FakeCli, ...args: string[]): Promise<string> => {
    assert.equal(await fake.run(...args), 0, fake.stderr);
    return fake.stdout;
  };
  return {
    apply: async (file) => {
      const fake = fresh();
      fake.files = { f: file };
      return (await run(fake, 'apply', '-f', 'f')).split('\n').at(-1)!;
    },
    exported: () => run(fresh(), 'export'),
  };
}

const UNCHANGED = '0 added, 0 changed, 1 unchanged, 0 to be pruned';

describe('belfry apply, a second time', () => {
  for (const [format, write] of Object.entries({ yaml: stringify, json: JSON.stringify as (file: object) => string })) {
    it(`changes nothing, whatever jobs a file holds as ${format}`, async () => {
      // Minus zero too, which YAML has and JSON has not.
      const property = fc.asyncProperty(arbitraryJobs(fc.jsonValue()), async (one) => {
        const belfry = deployment();
        const file = write({ name: 'shop', jobs: [{ jobId: 'a', ...one }] });
        assert.match(await belfry.apply(file), /^1 added/);
        assert.equal(await belfry.apply(file), UNCHANGED);
        // What counts from a command is exported as its time.
        if ('in' in one.schedule) return;
        assert.equal(await belfry.apply(`name: shop\n${await belfry.exported()}`), UNCHANGED, 'what was exported');
      });
      await fc.assert(property, { numRuns: 200 });
    });
  }

  it('takes minus zero for zero, wherever it stands', async () => {
    const file = `
      name: shop
      jobs:
        - { jobId: a, type: CUSTOM, handler: h, schedule: { every: 5m }, payload: [-0, -0.0, { n: -0 }], retry: { jitter: -0 } }`;
    const belfry = deployment();
    assert.match(await belfry.apply(file), /^1 added/);
    assert.equal(await belfry.apply(file), UNCHANGED);
  });
});

describe('a file of jobs', () => {
  const withPayload = (payload: string): string =>
    `jobs:\n  - jobId: a\n    type: CUSTOM\n    handler: h\n    schedule: { every: 5m }\n    payload: ${payload}`;
  const refused = {
    'a number that is none': [withPayload('.nan'), /^error: f:6:14: \.nan is a number that JSON has not/],
    'a number without end': [withPayload('{ a: [1, -.inf] }'), /f:6:23: -\.inf is a number that JSON has not/],
    'a number beyond what is kept': [withPayload('1e400'), /f:6:14: 1e400 is a number that JSON has not/],
    'an integer that would change': [withPayload('9007199254740993'), /f:6:14: 9007199254740993 has more digits/],
    bytes: [withPayload('!!binary aGk='), /f:6:14: !!binary is a type that JSON has not/],
    'a date': [withPayload('!!timestamp 2001-01-01'), /f:6:14: !!timestamp is a type that JSON has not/],
    'a set': [withPayload('!!set { a }'), /f:6:14: !!set is a type/],
    'an ordered map': [withPayload('!!omap [a: 1]'), /f:6:14: !!omap is a type/],
    "somebody's own type": [withPayload('!person { name: Ada }'), /f:6:14: !person is a type/],
    'a key that is a list': [withPayload('{ ? [1, 2] : x }'), /f:6:18: this key is no text/],
    'a key that is nothing': [withPayload('{ ~: x }'), /f:6:16: this key is no text/],
    'a key that would be written otherwise': [withPayload('{ 1.0: x }'), /f:6:16: this key is no text/],
    'a key twice': [withPayload('{ a: 1, b: 2, a: 3 }'), /f:6:28: this key stands here a second time/],
    'a key twice, as a number and as text': [withPayload('{ 1: a, "1": b }'), /f:6:22: this key stands here a second/],
    'a key twice, in JSON': ['{ "jobs": [],\n "jobs": [] }', /f:2:2: this key stands here a second time/],
    'a second document': [`${withPayload('1')}\n---\njobs: []`, /f:7:1: a second document begins here: write one file/],
    'an alias within itself': [withPayload('&x [1, *x]'), /f:6:21: this alias stands within what it stands for/],
    'an alias of nothing': [withPayload('*x'), /f cannot be read: Unresolved alias/],
    'no YAML': ['jobs: [', /f:1:8: this is neither YAML nor JSON/],
    'aliases that multiply': [
      withPayload(
        `\n${Array.from(
          { length: 9 },
          (_, n) =>
            `      k${n}: &k${n} [${Array(9)
              .fill(n ? `*k${n - 1}` : 'x')
              .join(', ')}]`,
        ).join('\n')}`,
      ),
      /f cannot be read: Excessive alias count/,
    ],
  } as const;
  for (const [what, [file, message]] of Object.entries(refused)) {
    it(`is refused with its place where it has ${what}`, async () => {
      const fake = new FakeCli();
      fake.files = { f: file };
      assert.equal(await fake.run('apply', '-f', 'f'), 2);
      assert.match(fake.stderr, message);
    });
  }

  it('may have anchors, and what other versions of YAML take for other types', async () => {
    const fake = new FakeCli();
    fake.inspect = { job: async () => undefined, managedJobs: async () => [] };
    const payload = `\n      a: &a { on: yes, day: 2001-01-01, time: 2026-12-01T09:00:00Z, big: 12345678901234567000, 1: x }\n      b: *a`;
    fake.files = { f: `%YAML 1.1\n---\n${withPayload(payload)}` };
    assert.equal(await fake.run('apply', '-f', 'f'), 0, fake.stderr);
    const a = { on: 'yes', day: '2001-01-01', time: '2026-12-01T09:00:00Z', big: 12345678901234567000, 1: 'x' };
    assert.deepEqual((fake.client.sent[0]!.rest[0] as { payload: object }).payload, { a, b: a });
  });
});
