/** Jobs that this release cannot read: a newer one wrote them, or their row is damaged. */
import { JOB_TYPES, type JobSpec } from '../model.ts';

const KINDS: readonly unknown[] = ['at', 'in', 'cron', 'every', 'fixedDelay', 'after', 'on'];

/** Stands where a spec cannot be read, so that the rest of the job, and of its list, can be. It schedules nothing. */
export const UNREADABLE_SPEC: JobSpec = {
  ...{ type: 'CUSTOM', handler: '', payload: null, priority: 'medium', queue: 'default', timeoutMs: 0 },
  schedule: {
    ...{ kind: 'after', after: [], timezone: 'UTC', startAt: null, endAt: null },
    ...{ exclude: [], jitterMs: 0, maxRuns: null },
  },
  retry: { maxRetries: 0, initialDelayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
  missed: { policy: 'once', thresholdMs: 0, windowMs: null, limit: 1 },
  ...{ overlap: 'allow', delivery: 'at_least_once', labels: {} },
};

/** Why nothing can be told of a stored spec; undefined: it can be read. */
export function unreadableBecause(spec: Partial<JobSpec> | null): string | undefined {
  if (typeof spec !== 'object' || spec === null) return 'its row is damaged: its spec is no object';
  if (!(JOB_TYPES as readonly unknown[]).includes(spec.type))
    return 'it is of a type that this release does not know: use the release that wrote it';
  if (!KINDS.includes(spec.schedule?.kind))
    return 'its schedule is of a kind that this release does not know: use the release that wrote it';
  return undefined;
}
