/** A tenant's one-shots that are due at one instant, and what stands behind them: urgent ones, and another tenant's. */
import { LAST_COMMAND_AT, type Action, type Surroundings } from './life.ts';
import type { Random } from './random.ts';

const FLOOD = 24;
const BEHIND = 4;

export function floodOf(random: Random, { epochMs, prefix }: Surroundings): Action[] {
  const dueAt = random.int(6_000, LAST_COMMAND_AT - 1_000);
  const digit = random.int(1, 2);
  const job = (at: number, priority: string): object => {
    const schedule = { at: new Date(epochMs + at).toISOString() };
    return { type: 'CUSTOM', handler: 'quick', schedule, priority, timeout: '4s', retry: { maxRetries: 1 } };
  };
  const lifeOf = (jobId: string, at: number, priority: string): Action[] => {
    const action = (sentAt: number, type: Action['type'], fields: Action['fields'] = {}): Action => {
      return { at: sentAt, jobId, type, fields, copies: random.chance(0.1) ? 2 : 1, isCareless: false };
    };
    const life = [action(random.int(500, dueAt - 2_000), 'schedule', { job: job(at, priority) })];
    // While it fires, or just before.
    const changedAt = dueAt + random.int(-30, 120);
    const type = random.weighted({ none: 14, cancel: 2, schedule: 2 });
    if (type === 'cancel') life.push(action(changedAt, type));
    if (type === 'schedule') life.push(action(changedAt, type, { job: job(changedAt + random.int(0, 200), priority) }));
    return life;
  };
  const jobsOf = (name: string, count: number, own: number, of: (index: number) => [number, string]): Action[] =>
    Array.from({ length: count }, (_, index) => lifeOf(`${prefix}${name}-${index}${own}`, ...of(index))).flat();
  return [
    ...jobsOf('flood', FLOOD, digit, () => [dueAt, 'medium']),
    ...jobsOf('urgent', BEHIND, digit, (index) => [dueAt + 1 + index, 'high']),
    ...jobsOf('other', BEHIND, 3 - digit, (index) => [dueAt + 1 + index, 'medium']),
  ];
}
