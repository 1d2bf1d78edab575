/** Jobs, runs and outcomes as they are printed. */
import type { RunSummary } from '../core/ports/inspect.ts';
import type { Outcome } from '../core/records.ts';
import type { JobView } from '../core/resources.ts';
import { toWireSchedule } from '../core/spec/to-wire.ts';
import { elapsed, iso, jobName, oneLine, relative, when } from './output.ts';

const NAME_WIDTH = 20;

/** `every 5m`, `cron 0 9 * * * (Europe/Paris)`. */
export function scheduleText(job: JobView): string {
  const wire = toWireSchedule(job.spec.schedule) as Record<string, unknown>;
  const { kind } = job.spec.schedule;
  const zone = kind === 'cron' ? ` (${String(wire.timezone)})` : '';
  return `${kind} ${String(wire[kind])}${zone}`;
}

/** `HTTP_REQUEST`, or the handler of a CUSTOM job. */
export function workText({ type, handler }: { type: string; handler: string }): string {
  return handler === '' ? type : handler;
}

export const RUN_HEAD = ['RUN', 'JOB', 'STATUS', 'SCHEDULED FOR', 'ATTEMPT', 'TOOK', 'WHY'] as const;

export function runCells(run: RunSummary, now: number): string[] {
  const { startedAt, finishedAt } = run;
  const took = startedAt !== null && finishedAt !== null ? elapsed(finishedAt - startedAt) : '-';
  const cells = [run.runId, jobName(run.tenant, run.jobId), run.status, when(run.scheduledFor, now)];
  return [...cells, String(run.attempt), took, whyText(run, now)];
}

/** Why a run is where it is: its error, the reason for skipping it, its next attempt, what it repeats. */
export function whyText(run: RunSummary, now: number): string {
  const parts = [
    run.error && `${run.error.code}: ${shortened(run.error.message)}`,
    run.reason && `${run.reason}${run.count === null ? '' : ` × ${run.count}`}`,
    run.status === 'RETRYING' && run.retryAt !== null && `next attempt ${relative(run.retryAt, now)}`,
    run.replayOf && `replay of ${run.replayOf}`,
  ];
  return parts.filter(Boolean).join('; ') || '-';
}

/** One line for a terminal outcome: `09:00:03.012  COMPLETED  heartbeat  run 018f…  attempt 1  12 ms`. */
export function outcomeLine(outcome: Outcome): string {
  const { finishedAt, startedAt, status, tenant, jobId, runId, attempt, error, reason, count, result } = outcome;
  const took = startedAt === null ? '' : `  ${elapsed(finishedAt - startedAt)}`;
  const ran = status === 'SKIPPED' ? '' : `  attempt ${attempt}${took}`;
  const why = error
    ? `  ${error.code}: ${error.message}`
    : reason
      ? `  ${reason}${count === null ? '' : ` × ${count}`}`
      : '';
  const answer = result === null || result === undefined ? '' : `  ${shortened(JSON.stringify(result))}`;
  const text = `${timeOfDay(finishedAt)}  ${status.padEnd(9)}  ${jobName(tenant, jobId).padEnd(NAME_WIDTH)}  run ${runId}${ran}${why}${answer}`;
  return oneLine(text);
}

/** `09:00:03.012`, UTC. */
export function timeOfDay(ms: number): string {
  return iso(ms).slice(11, 23);
}

export function shortened(text: string, length = 80): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
