/** What Belfry does for itself by the clock, and how people are told of it. Pure. */

/** Keeps the history: days of runs are made ahead and dropped when they are over, and what else is as old goes with them. */
export const HISTORY_JOB = 'history';

export type SystemJob = {
  name: string;
  /** ms, as all times here */
  lastRunAt: number;
  nextRunAt: number;
  status: 'COMPLETED' | 'FAILED';
  /** For people: what was done, or what went wrong. */
  result: string;
  /** The last time that there was something to do, and what. */
  changedAt: number | null;
  changed: string | null;
};

/** What housekeeping did; days as `2026-11-25`, in their order. */
export type Maintained = { made: readonly string[]; dropped: readonly string[] };

/** `dropped 2026-10-20, made 2026-11-25`. @param forgotten runs that went by the days of their tenant */
export function maintainedText({ made, dropped }: Maintained, forgotten: number): string | null {
  const parts = [
    dropped.length > 0 && `dropped ${daysText(dropped)}`,
    made.length > 0 && `made ${daysText(made)}`,
    forgotten > 0 && `forgot ${forgotten} runs by the days of their tenants`,
  ];
  return parts.filter(Boolean).join(', ') || null;
}

function daysText(days: readonly string[]): string {
  return days.length > 2 ? `${days[0]} to ${days.at(-1)} (${days.length} days)` : days.join(' and ');
}
