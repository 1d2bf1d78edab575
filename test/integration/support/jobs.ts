/** Short forms of jobs for tests. */
import type { CustomJobInput, ScheduleInput } from '../../../services/core/spec/input.ts';

/** A CUSTOM job of one of the test handlers. */
export function custom(handler: string, schedule: ScheduleInput, more: Partial<CustomJobInput> = {}): CustomJobInput {
  return { type: 'CUSTOM', handler, schedule, ...more };
}

export const NOW: ScheduleInput = { at: '2026-01-01T00:00:00Z' };

export function inMs(ms: number): ScheduleInput {
  return { at: new Date(Date.now() + ms).toISOString() };
}

/** No waiting between attempts. */
export const FAST_RETRY = { maxRetries: 3, initialDelay: '50ms', factor: 1 };
export const NO_RETRY = { maxRetries: 0 };
