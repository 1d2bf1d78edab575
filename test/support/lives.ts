/** What clients ask of jobs that have to do with each other: chains, shared limits, events, within two tenants. */
import { jobOf, lifeOf, type Action, type Surroundings } from './life.ts';
import { eventLivesOf } from './life-events.ts';
import { Random } from './random.ts';

/**
 * The commands of some jobs, of those that come after them, and of those that listen to events.
 * @param random what the number and the lives of the jobs come from
 * @param seed of all other chance in it
 */
export function livesOf(random: Random, seed: string, surroundings: Surroundings): Action[] {
  const { epochMs, prefix } = surroundings;
  const jobIds = Array.from({ length: random.int(3, 6) }, (_, index) => `${prefix}job-${index + 1}`);
  const own = jobIds.map((jobId) => lifeOf(random, jobId, epochMs));
  return [
    ...sharing(new Random(`limits ${seed}`), own, prefix),
    eventLivesOf(new Random(`events ${seed}`), surroundings),
    chainsOf(seed, jobIds, surroundings),
  ].flat();
}

/**
 * An action as it stands on a topic.
 * @param runId of a replay
 */
export function commandOf({ jobId, type, fields }: Action, commandId: string, runId?: string): object {
  return {
    ...{ type, commandId, tenant: tenantOf(jobId), ack: true },
    ...(type === 'emit' ? {} : { jobId }),
    ...fields,
    ...(runId === undefined ? {} : { runId }),
  };
}

/**
 * Chains among these jobs: in each tenant perhaps a chain of three, and one that waits for two of its jobs. They are scheduled
 * when their upstreams are, or before: then they wait for these, some in vain.
 */
function chainsOf(seed: string, jobIds: readonly string[], { epochMs, prefix }: Surroundings): Action[] {
  const random = new Random(`chains ${seed}`);
  const early = new Random(`early ${seed}`);
  const life: Action[] = [];
  let made = 0;
  const chain = (digit: number, at: number, upstreams: readonly string[]): string => {
    const jobId = `${prefix}chain-${++made}${digit}`;
    const after = upstreams.map((job) => ({ job, when: random.weighted({ success: 5, failure: 1, always: 3 }) }));
    const action = (type: Action['type'], atMs: number, fields: Action['fields'] = {}): void => {
      const copies = random.chance(0.15) ? 2 : 1;
      life.push({ at: atMs, jobId, type, fields, copies, isCareless: random.chance(0.1) });
    };
    action('schedule', at, { job: { ...jobOf(random, epochMs), schedule: { after } } });
    if (random.chance(0.2)) action('trigger', at + random.int(500, 9_000));
    if (random.chance(0.1)) action('cancel', at + random.int(500, 12_000));
    if (random.chance(0.15)) {
      const pausedAt = at + random.int(500, 9_000);
      action('pause', pausedAt);
      action('resume', pausedAt + random.int(500, 5_000));
    }
    return jobId;
  };
  for (const digit of [1, 2]) {
    const own = jobIds.filter((jobId) => tenantOf(jobId) === tenantOf(String(digit)));
    const at = random.int(4_000, 8_000);
    if (random.chance(0.6)) {
      const before = chain(digit, at, [random.pick(own)]);
      chain(digit, at + (early.chance(0.5) ? 1_500 : -early.int(0, 3_900)), [before]);
    }
    if (early.chance(0.2)) chain(digit, early.int(300, 8_000), [`${prefix}nobody-${digit}`]);
    if (random.chance(0.5) && own.length > 1) chain(digit, at, own.slice(0, 2));
  }
  return life;
}

/** Two tenants, so that what is one's own can be told from what is another's. */
export const TENANTS = ['acme', 'globex'] as const;

/** It has quotas, from beginning to end of a chaos run. */
export const LIMITED_TENANT = 'initech';

export function tenantOf(jobId: string): string {
  if (jobId.startsWith('limited-')) return LIMITED_TENANT;
  return Number(jobId.at(-1)) % 2 === 0 ? 'globex' : 'acme';
}

/** Some of these lives share limits: their runs wait for each other, within their tenant. */
function sharing(random: Random, lives: readonly Action[][], prefix: string): Action[][] {
  const limits = { 'customer-1': 1, 'customer-2': random.int(1, 3) };
  return lives.map((life) => {
    if (random.chance(0.5)) return life;
    const key = random.pick(Object.keys(limits) as (keyof typeof limits)[]);
    return life.map((action) => limited(action, { key: `${prefix}${key}`, limit: limits[key] }));
  });
}

function limited(action: Action, concurrencyKey: { key: string; limit: number }): Action {
  const job = action.fields.job as Record<string, unknown> | undefined;
  if (job === undefined || job.type === 'KAFKA_MESSAGE') return action;
  return { ...action, fields: { ...action.fields, job: { ...job, concurrencyKey } } };
}
