/**
 * Jobs that are steered while something of them is still to come, by chance: one-shots that are triggered before their time,
 * jobs that are paused and then changed or cancelled without a resume, and jobs that are scheduled again in their rhythm.
 */
import { jobOf, LAST_COMMAND_AT, LAST_OCCURRENCE_AT, type Action, type Surroundings } from './life.ts';
import type { Random } from './random.ts';

export function steeredOf(random: Random, { epochMs, prefix }: Surroundings): Action[] {
  const time = (ms: number): string => new Date(epochMs + ms).toISOString();
  const digit = random.int(1, 2);
  const life: Action[] = [];
  const act = (at: number, name: string, type: Action['type'], fields: Action['fields'] = {}): void =>
    void life.push({
      ...{ at, jobId: `${prefix}${name}-${digit}`, type, fields },
      ...{ copies: random.chance(0.15) ? 2 : 1, isCareless: false },
    });
  const jobWith = (schedule: object, more: object = {}): Action['fields'] => {
    return { job: { ...jobOf(random, epochMs), schedule, ...more } };
  };

  let at = random.int(300, 3_000);
  const deadline = random.chance(0.3) ? { missed: { window: '2s' } } : {};
  const once = { at: time(random.int(12_000, LAST_COMMAND_AT)) };
  act(at, 'early', 'schedule', jobWith(once, { overlap: 'allow', ...deadline }));
  act((at += random.int(300, 4_000)), 'early', 'trigger', { overlap: random.pick(['skip', 'allow']) });
  act((at += random.int(100, 2_000)), 'early', 'trigger', { overlap: 'cancel_running' });

  const recurring = { every: `${random.int(1, 3)}s`, startAt: time(4_000), endAt: time(LAST_OCCURRENCE_AT) };
  const isOnce = random.chance(0.3);
  act((at = random.int(300, 3_000)), 'held', 'schedule', jobWith(isOnce ? { at: time(8_000) } : recurring));
  act((at += random.int(500, 4_000)), 'held', 'pause');
  at += random.int(3_000, 14_000);
  const end = random.weighted({ cancel: 3, bounds: 3, other: 2 });
  if (end === 'cancel') act(at, 'held', 'cancel');
  else act(at, 'held', 'schedule', jobWith(end === 'bounds' && !isOnce ? { ...recurring, maxRuns: 50 } : { in: '1s' }));

  const few = { every: `${random.int(1, 2)}s`, startAt: time(4_000), maxRuns: random.int(1, 3) };
  const again = random.pick([few, { ...few, maxRuns: few.maxRuns + 2 }, { ...few, endAt: time(LAST_OCCURRENCE_AT) }]);
  act(random.int(300, 3_000), 'again', 'schedule', jobWith(few, { overlap: 'allow' }));
  act(random.int(5_000, LAST_COMMAND_AT), 'again', 'schedule', jobWith(again, { overlap: 'allow' }));
  return life;
}
