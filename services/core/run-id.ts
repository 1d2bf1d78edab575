/**
 * Ids that are derived, not drawn: whoever makes the same run or event a second time makes the same id.
 *
 * A run id is a UUIDv8: 48 bits of the scheduled millisecond, so that ids sort and partition by time, then a hash.
 */
import { hash } from 'node:crypto';
import type { TerminalStatus, Trigger } from './model.ts';

export type RunKey = {
  tenant: string;
  jobId: string;
  trigger: Trigger;
  /** What made the run: the scheduled time, the commandId, the event id, the upstream run ids. */
  cause: string;
  scheduledFor: number;
};

const DAY_MS = 86_400_000;
const MAX_TIME_MS = 2 ** 48 - 1;

/** The id of a run. Times before 1970 sort as 1970; their ids differ all the same. */
export function runIdOf({ tenant, jobId, trigger, cause, scheduledFor }: RunKey): string {
  // JSON keeps the parts apart: no two lists of parts have the same text.
  const digest = hash('sha256', JSON.stringify([tenant, jobId, trigger, cause, scheduledFor]), 'hex');
  const variant = ((Number.parseInt(digest[3]!, 16) & 3) | 8).toString(16);
  return format(`${timeOf(scheduledFor)}8${digest.slice(0, 3)}${variant}${digest.slice(4, 19)}`);
}

/** The scheduled time in a run id, in milliseconds; 0 for times before 1970. */
export function scheduledMsOf(runId: string): number {
  return Number.parseInt(runId.slice(0, 8) + runId.slice(9, 13), 16);
}

/** The id of the event that tells a run's outcome. */
export function eventIdOf(runId: string, status: TerminalStatus): string {
  return `${runId}:${status.toLowerCase()}`;
}

/**
 * The run ids of the UTC day that holds `dayMs`, as bounds of a range partition.
 * @returns `fromId` is part of the range, `toId` is not: it is the next day's `fromId`
 */
export function dayRangeOf(dayMs: number): { fromId: string; toId: string } {
  const start = Math.floor(dayMs / DAY_MS) * DAY_MS;
  return { fromId: firstRunId(start), toId: firstRunId(start + DAY_MS) };
}

/** Before every run id of that millisecond, and behind every earlier one. */
export function firstRunId(ms: number): string {
  return format(timeOf(ms).padEnd(32, '0'));
}

function timeOf(ms: number): string {
  return Math.min(Math.max(ms, 0), MAX_TIME_MS).toString(16).padStart(12, '0');
}

function format(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
