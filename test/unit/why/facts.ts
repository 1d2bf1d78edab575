/** What may be known of an occurrence, as `belfry why` finds it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppliedCommand, Job, JobSpec, Schedule } from '../../../services/core/model.ts';
import { scheduledRunId } from '../../../services/core/occurrences/of-job.ts';
import {
  OF_DECIDED,
  type Circumstances,
  type Facts,
  type Story,
  type Verdict,
} from '../../../services/core/why/facts.ts';
import { tell } from '../../../services/core/why/why.ts';
import { job, NOW } from '../cli/support.ts';
import { every, HOUR, MINUTE } from '../occurrences/schedules.ts';

export const SECOND = 1_000;
const HISTORY_FROM = NOW - 48 * HOUR;
export const APPLIED: AppliedCommand = { type: 'schedule', commandId: 'c-1', at: NOW - HOUR, offset: '120' };
export const EXECUTOR = { worker: 'host:2', handlers: ['greet'], free: 3 };

export function jobOf(schedule: Schedule, fields: Partial<Job> = {}, spec: Partial<JobSpec> = {}): Job {
  const made = job({ anchorAt: NOW - HOUR, createdAt: NOW - HOUR, appliedCommands: [APPLIED], ...fields });
  return { ...made, spec: { ...made.spec, schedule, ...spec } };
}

export function facts(fields: Partial<Facts>, around: Partial<Circumstances> = {}): Facts {
  const circumstances: Circumstances = {
    ...{ now: NOW, owner: 'host:1', unproduced: 0, oldestTimerAt: null, timers: [], parked: null },
    ...{ executors: [EXECUTOR], historyFrom: HISTORY_FROM, arrived: [] },
    ...around,
  };
  return {
    ...{ tenant: 'default', jobId: 'report', at: NOW, job: undefined, run: undefined, group: undefined },
    ...{ circumstances, refused: undefined, awaited: undefined, commandsTopic: 'job.commands' },
    ...fields,
  };
}

export const hourly = every(HOUR);
/** Its occurrences: NOW, NOW + 1 h, ... */
export const open = jobOf(hourly, { nextAt: NOW + HOUR, nextFireAt: NOW + HOUR });
export const undecided = jobOf(hourly, { nextAt: NOW, nextFireAt: NOW });
export const untracked = jobOf(hourly, { nextAt: NOW + HOUR, nextFireAt: NOW + HOUR }, { overlap: 'allow' });
export const active = { ...open, active: [{ runId: scheduledRunId(open, NOW), since: NOW }] };
export const refused = { at: NOW - MINUTE, place: '3-17', code: 'invalid', message: 'no' };
export const chain: Schedule = {
  ...(hourly as Extract<Schedule, { kind: 'every' }>),
  ...{
    kind: 'after',
    after: [
      { jobId: 'extract', when: 'success' },
      { jobId: 'load', when: 'always' },
    ],
  },
};
export const listener = {
  ...(hourly as object),
  kind: 'on',
  event: 'user.signup',
  filter: 'event.plan == "pro"',
  waitMs: 0,
} as Schedule;

export type Case = [asked: string, facts: Facts, verdict: Verdict, answer: RegExp, advice?: RegExp];

/** Whether somebody decided the run that a story names. */
function isDecided({ run, group, job, circumstances }: Facts, { runId, verdict }: Story): boolean {
  const known = [run, group, ...(job?.active ?? []), ...(job?.buffered ?? []), ...circumstances.timers];
  return known.some((each) => each?.runId === runId) || (OF_DECIDED as readonly string[]).includes(verdict);
}

/** A test of each answer. */
export function tests(cases: readonly Case[]): void {
  for (const [asked, known, verdict, answer, advice] of cases) {
    test(`${asked}: ${verdict}`, () => {
      const story = tell(known);
      assert.equal(story.verdict, verdict, story.answer);
      assert.match(story.answer, answer);
      if (advice !== undefined) assert.match(story.advice ?? '', advice);
      assert.ok(story.runId === null || isDecided(known, story), `it names ${story.runId}, which does not exist`);
    });
  }
}
