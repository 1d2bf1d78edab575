/** What clients ask of one job, from beginning to end, by chance: the load of the simulation and of the chaos run. */
import type { CommandType } from '../../services/core/records.ts';
import type { Random } from './random.ts';

/** Where KAFKA_MESSAGE jobs write to. */
export const ORDERS = 'orders';
/** Ms after the epoch. */
export const LAST_COMMAND_AT = 28_000;
/** Recurring schedules end here, so that quiet comes. */
export const LAST_OCCURRENCE_AT = 32_000;

/** A command as a client sends it; `replay` names its run only when it is sent. */
export type Action = {
  /** Ms after the epoch. */
  at: number;
  jobId: string;
  type: CommandType;
  fields: Readonly<Record<string, unknown>>;
  /** Sent so many times, with the same id. */
  copies: number;
  /** The client does not try again when sending fails. */
  isCareless: boolean;
};

/** Where lives stand: several such worlds may have one Belfry. */
export type Surroundings = {
  /** What their times are counted from. */
  epochMs: number;
  /** What all names in them begin with. */
  prefix: string;
  /** Who listens to events ends to after this (ms after the epoch), so that whoever listened is certain to be asked. */
  listensUntil: number;
};

/**
 * The commands of one job: most are left alone after they were scheduled.
 * @param epochMs what times are counted from
 */
export function lifeOf(random: Random, jobId: string, epochMs: number): Action[] {
  const base = jobOf(random, epochMs);
  let at = random.int(300, 5_000);
  const action = (type: Action['type'], fields: Action['fields'] = {}): Action => ({
    at,
    jobId,
    type,
    fields,
    copies: random.chance(0.15) ? 2 : 1,
    isCareless: random.chance(0.1),
  });
  const life = [action('schedule', { job: base })];
  while (life.length < 6 && random.chance(0.4)) {
    at += random.int(500, 9_000);
    if (at > LAST_COMMAND_AT) break;
    const type = random.weighted({ trigger: 5, cancel: 2, pause: 2, resume: 2, schedule: 3, replay: 3 });
    if (type === 'schedule')
      life.push(
        action(type, { job: random.chance(0.5) ? { ...base, ...changeOf(random, epochMs) } : jobOf(random, epochMs) }),
      );
    else life.push(action(type, type === 'trigger' && random.chance(0.2) ? { overlap: 'allow' } : {}));
  }
  return life;
}

export function jobOf(random: Random, epochMs: number): Record<string, unknown> {
  const schedule = scheduleOf(random, epochMs);
  const isOneShot = 'at' in schedule || 'in' in schedule;
  const overlap = random.pick(['allow', 'skip', 'buffer_one', 'buffer_all', 'cancel_running']);
  const common = {
    schedule,
    priority: random.pick(['high', 'medium', 'medium', 'low']),
    ...(isOneShot && random.chance(0.7) ? {} : { overlap }),
  };
  if (random.chance(0.2))
    return { ...common, type: 'KAFKA_MESSAGE', payload: { topic: ORDERS, value: 'v', key: random.pick(['a', 'b']) } };
  const handler = random.weighted({
    quick: 8,
    slow: 3,
    long: 3,
    flaky: 3,
    hanging: 1,
    stubborn: 1,
    transaction: 4,
    rare: 2,
  });
  const isOnce = random.chance(0.1);
  return {
    ...common,
    // Long runs in a row would outlast the wait for quiet.
    ...(handler === 'long' || handler === 'hanging' ? { overlap: 'skip' } : {}),
    ...(handler === 'stubborn' && overlap === 'buffer_all' ? { overlap: 'buffer_one' } : {}),
    type: 'CUSTOM',
    handler,
    timeout: handler === 'long' ? '60s' : random.pick(['4s', '4s', '12s']),
    ...(isOnce
      ? { delivery: 'at_most_once' }
      : { retry: { maxRetries: random.int(0, 2), initialDelay: '1s', factor: 1 } }),
  };
}

function changeOf(random: Random, epochMs: number): Record<string, unknown> {
  return random.chance(0.5) ? { labels: { changed: 'yes' } } : { schedule: scheduleOf(random, epochMs) };
}

function scheduleOf(random: Random, epochMs: number): Record<string, unknown> {
  const timeOf = (ms: number): string => new Date(epochMs + ms).toISOString();
  const bounds = { endAt: timeOf(LAST_OCCURRENCE_AT), ...(random.chance(0.1) ? { maxRuns: random.int(2, 4) } : {}) };
  const startAt = random.chance(0.6) ? { startAt: timeOf(random.int(4_000, 14_000)) } : {};
  const jitter = random.chance(0.15) ? { jitter: '700ms' } : {};
  switch (random.weighted({ at: 3, in: 2, every: 6, cron: 1, fixedDelay: 2 })) {
    case 'at':
      return { at: timeOf(random.int(-60_000, LAST_COMMAND_AT)) };
    case 'in':
      return { in: `${random.int(0, 20)}s` };
    case 'every':
      return { every: `${random.int(2, 6)}s`, ...startAt, ...bounds, ...jitter };
    case 'cron':
      return { cron: `*/${random.pick([4, 5, 6])} * * * * *`, ...bounds };
    case 'fixedDelay':
      return { fixedDelay: `${random.int(1, 4)}s`, ...startAt, ...bounds };
  }
}
