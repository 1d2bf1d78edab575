/** Fan-ins of three, by chance: two jobs that recur together, and one that has a life of its own. */
import { jobOf, LAST_COMMAND_AT, LAST_OCCURRENCE_AT, type Action, type Surroundings } from './life.ts';
import { tenantOf } from './lives.ts';
import type { Random } from './random.ts';

/** @param jobIds of jobs that are there already, of both tenants */
export function fanInsOf(random: Random, jobIds: readonly string[], surroundings: Surroundings): Action[] {
  const { epochMs, prefix } = surroundings;
  const endAt = new Date(epochMs + LAST_OCCURRENCE_AT).toISOString();
  const life: Action[] = [];
  const act = (at: number, jobId: string, type: Action['type'], fields: Action['fields'] = {}): void =>
    void life.push({ at, jobId, type, fields, copies: random.chance(0.15) ? 2 : 1, isCareless: false });
  for (const digit of [1, 2]) {
    const [first, second] = [`${prefix}part-a${digit}`, `${prefix}part-b${digit}`] as const;
    for (const part of [first, second]) {
      const schedule = { every: `${random.int(2, 6)}s`, endAt };
      act(random.int(300, 3_000), part, 'schedule', { job: { ...jobOf(random, epochMs), schedule } });
      const type = random.weighted({ none: 3, trigger: 2, replay: 2, cancel: 1 });
      if (type !== 'none') act(random.int(6_000, LAST_COMMAND_AT), part, type);
    }
    const third = random.pick(jobIds.filter((jobId) => tenantOf(jobId) === tenantOf(String(digit))));
    const after = [first, third, second].map((job) => ({ job, when: random.weighted({ success: 2, always: 3 }) }));
    // When what it comes after is there, or early enough to be refused.
    act(random.int(4_000, 9_000), `${prefix}fan-in-${digit}`, 'schedule', {
      job: { ...jobOf(random, epochMs), schedule: { after } },
    });
  }
  return life;
}
