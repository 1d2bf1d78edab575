/**
 * How a run is tried: `timeout` and `retry` of its job, of its handler, or Belfry's own; each setting by itself, in this order.
 *
 * Only executors know handlers, so what a job leaves open is open until a run starts. A spec, and a due record, has a number for
 * every setting all the same, and `explicit` names those that the job itself said: who does not know `explicit` runs with the
 * numbers.
 */
import { RUN_SETTINGS, type Delivery, type JobType, type RetryPolicy, type RunSetting } from './model.ts';

const HOUR_MS = 3_600_000;

/** What a job, or a handler, says; absent: nothing. */
export type SaidPolicy = { timeoutMs?: number; retry?: Partial<RetryPolicy> };
export type RunPolicy = { timeoutMs: number; retry: RetryPolicy };
/** `explicit` is absent of what a Belfry before it wrote. */
export type Resolvable = RunPolicy & { type: JobType; delivery: Delivery; explicit?: readonly RunSetting[] };

export const DEFAULT_RETRY = { maxRetries: 3, initialDelayMs: 2_000, factor: 2, jitter: 0 };

/**
 * @param said in order of precedence; the first that has a setting decides it
 * @returns all settings. A longest delay is never shorter than a first one that somebody with precedence said.
 */
export function resolvePolicy(type: JobType, delivery: Delivery, ...said: readonly SaidPolicy[]): RunPolicy {
  const first = <K extends keyof RetryPolicy>(key: K): RetryPolicy[K] | undefined =>
    said.map(({ retry }) => retry?.[key]).find((value) => value !== undefined);
  const initialDelayMs = first('initialDelayMs') ?? DEFAULT_RETRY.initialDelayMs;
  return {
    timeoutMs:
      said.map(({ timeoutMs }) => timeoutMs).find((value) => value !== undefined) ??
      (type === 'HTTP_REQUEST' ? 30_000 : HOUR_MS / 4),
    retry: {
      maxRetries: delivery === 'at_most_once' ? 0 : (first('maxRetries') ?? DEFAULT_RETRY.maxRetries),
      initialDelayMs,
      factor: first('factor') ?? DEFAULT_RETRY.factor,
      maxDelayMs: Math.max(first('maxDelayMs') ?? HOUR_MS, initialDelayMs),
      jitter: first('jitter') ?? DEFAULT_RETRY.jitter,
    },
  };
}

/** The names of the settings that are said. */
export function settingsOf({ timeoutMs, retry = {} }: SaidPolicy): RunSetting[] {
  const said: Record<RunSetting, unknown> = {
    timeout: timeoutMs,
    'retry.maxRetries': retry.maxRetries,
    'retry.initialDelay': retry.initialDelayMs,
    'retry.factor': retry.factor,
    'retry.maxDelay': retry.maxDelayMs,
    'retry.jitter': retry.jitter,
  };
  return RUN_SETTINGS.filter((setting) => said[setting] !== undefined);
}

/**
 * What a job itself said. Of a spec or a due record without `explicit` nobody knows any more: there, as before, what equals the
 * default counts as unsaid.
 */
export function saidBy(job: Resolvable): SaidPolicy {
  const { timeoutMs, retry } = job;
  const isSaid = (setting: RunSetting): boolean => (job.explicit ?? differing(job)).includes(setting);
  return {
    ...(isSaid('timeout') ? { timeoutMs } : {}),
    retry: {
      ...(isSaid('retry.maxRetries') ? { maxRetries: retry.maxRetries } : {}),
      ...(isSaid('retry.initialDelay') ? { initialDelayMs: retry.initialDelayMs } : {}),
      ...(isSaid('retry.factor') ? { factor: retry.factor } : {}),
      ...(isSaid('retry.maxDelay') ? { maxDelayMs: retry.maxDelayMs } : {}),
      ...(isSaid('retry.jitter') ? { jitter: retry.jitter } : {}),
    },
  };
}

/** A retry policy was taken as a whole: with one setting of its own, all were. */
function differing({ type, delivery, timeoutMs, retry }: Resolvable): RunSetting[] {
  const general = resolvePolicy(type, delivery);
  const isGeneral = (Object.keys(general.retry) as (keyof RetryPolicy)[]).every(
    (key) => retry[key] === general.retry[key],
  );
  return RUN_SETTINGS.filter((setting) => (setting === 'timeout' ? timeoutMs !== general.timeoutMs : !isGeneral));
}
