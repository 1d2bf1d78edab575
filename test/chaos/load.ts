/** What clients ask for in a chaos run: what goes on from beginning to end, and, wave by wave, the lives of the simulation. */
import { partitionOf } from '../../services/core/murmur2.ts';
import { jobKey } from '../../services/core/topics.ts';
import { LAST_OCCURRENCE_AT, type Action } from '../support/life.ts';
import { SOURCE, SOURCE_PARTITIONS, type SourceRecord } from '../support/life-sources.ts';
import { livesOf, tenantOf } from '../support/lives.ts';
import { Random } from '../support/random.ts';

export const PARTITIONS = 6;
/** Of the tenant that has any. */
export const QUOTAS = { concurrentRuns: 3, runsPerSecond: 4, handlerRuns: { slow: 1 }, jobs: 5 };
const WAVE_EVERY_MS = 12_000;
/** Past the time that the checker allows for the recovery from what befell an event. */
const LISTENS_UNTIL = 75_000;
/** Those who listen all the time end so long after the last event. */
const LISTENS_ON_MS = 40_000;
const EVENT_EVERY_MS = 1_000;

/** @returns the id of the job that shows whether this partition is served */
export function beatOf(partition: number): string {
  for (let number = 0; ; number++) {
    const jobId = `beat-${partition}-${number}`;
    if (partitionOf(jobKey(tenantOf(jobId), jobId), PARTITIONS) === partition) return jobId;
  }
}

/**
 * What goes on from beginning to end, undisturbed: beats, runs of some seconds, a cron, a fixed delay; chains and fan-ins after
 * them; jobs of a tenant with quotas; an event every second and jobs that listen to it, and to the records of a topic; three jobs for which a limit has
 * two places.
 */
export function steady(beats: readonly string[], durationMs: number, epochMs: number): Action[] {
  const timeOf = (ms: number): string => new Date(epochMs + ms).toISOString();
  const bounds = { endAt: timeOf(durationMs) };
  const every = { every: '1s', startAt: timeOf(3_000), ...bounds };
  const listening = { on: 'pulse', endAt: timeOf(durationMs + LISTENS_ON_MS) };
  const reading = { ...listening, on: SOURCE.event };
  const after = (...jobs: string[]): object => ({ after: jobs.map((job) => ({ job, when: 'success' })) });
  const job = (handler: string, schedule: object, overlap: string): object => ({
    ...{ type: 'CUSTOM', handler, schedule, overlap, missed: { policy: 'all', limit: 1_000 } },
    retry: { maxRetries: 2, initialDelay: '1s', factor: 1 },
  });
  const dependent = (handler: string, schedule: object): object => {
    const { missed: _missed, ...rest } = job(handler, schedule, 'allow') as { missed: object };
    return rest;
  };
  const limited = (handler: string): object => job(handler, every, 'skip');
  const turn = { ...job('slow', every, 'skip'), concurrencyKey: { key: 'turns', limit: 2 } };
  const jobs: [string, object][] = [
    ...beats.map((jobId): [string, object] => [jobId, job('beat', every, 'allow')]),
    ['work-1', job('slow', every, 'allow')],
    ['work-2', job('slow', every, 'allow')],
    ['second', job('beat', { cron: '*/1 * * * * *', ...bounds }, 'skip')],
    ['after', job('quick', { fixedDelay: '1s', ...bounds }, 'skip')],
    ['hears-1', dependent('quick', { ...listening, filter: 'event.n > 4' })],
    ['hears-3', dependent('transaction', { ...listening, wait: '3s' })],
    ['reads-1', dependent('quick', { ...reading, filter: 'event.value.n > 2' })],
    ...['quick', 'slow', 'quick', 'slow'].map((handler, index): [string, object] => [
      `limited-${index + 1}`,
      limited(handler),
    ]),
    ...['turn-1', 'turn-3', 'turn-5'].map((jobId): [string, object] => [jobId, turn]),
  ];
  // When what they run after is surely there, and before the first fault.
  const later: [number, string, object][] = [
    [2_500, 'then-1', dependent('quick', after('second'))],
    [2_500, 'both-1', dependent('quick', after('second', 'after'))],
    // Its tenant may have five jobs: the rest is refused.
    ...[5, 6, 7, 8].map((number): [number, string, object] => [
      8_000 + number * 1_000,
      `limited-${number}`,
      limited('quick'),
    ]),
    [5_000, 'last-1', dependent('beat', { after: [{ job: 'then-1', when: 'always' }] })],
    [5_000, 'three-1', dependent('beat', after('work-1', 'after', 'then-1'))],
  ];
  return [
    ...jobs.map(([jobId, fields]) => plain(0, jobId, 'schedule', { job: fields })),
    ...later.map(([at, jobId, fields]) => plain(at, jobId, 'schedule', { job: fields })),
    ...Array.from({ length: Math.floor(durationMs / EVENT_EVERY_MS) }, (_, index) =>
      plain(index * EVENT_EVERY_MS, 'pulse', 'emit', {
        ...{ event: 'pulse', eventId: `pulse-${index}` },
        payload: { n: index % 10 },
      }),
    ),
  ];
}

/** What a plain producer writes to the topic whose records are events. */
export function recordsOf(random: Random, durationMs: number): SourceRecord[] {
  return Array.from({ length: Math.floor(durationMs / EVENT_EVERY_MS) }, (_, index) => ({
    at: index * EVENT_EVERY_MS,
    partition: random.int(0, SOURCE_PARTITIONS - 1),
    value: JSON.stringify({ n: random.int(0, 9) }),
  }));
}

function plain(at: number, jobId: string, type: Action['type'], fields: Action['fields']): Action {
  return { at, jobId, type, fields, copies: 1, isCareless: false };
}

/** Lives that begin together. */
export function waves(seed: number, durationMs: number, epochMs: number): Action[] {
  const count = Math.max(0, Math.floor((durationMs - LAST_OCCURRENCE_AT) / WAVE_EVERY_MS) + 1);
  return Array.from({ length: count }, (_, index) => {
    const beginAt = index * WAVE_EVERY_MS;
    const surroundings = { epochMs: epochMs + beginAt, prefix: `wave-${index + 1}-`, listensUntil: LISTENS_UNTIL };
    const life = livesOf(new Random(`wave ${index} ${seed}`), `${index} ${seed}`, surroundings);
    return life.map((action) => ({ ...action, at: action.at + beginAt }));
  }).flat();
}
