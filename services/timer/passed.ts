/**
 * Occurrences that came due and are not decided yet: of a paused job, or because its timer was away. A command that changes
 * or cancels the job decides them first, so that each has its run, or a row that says why not. At most two slices of rows
 * are written, however long the absence was.
 */
import type { Job } from '../core/model.ts';
import { skipPassed, type Decided, type Decision } from '../core/occurrences/due.ts';
import { jitterFor } from '../core/occurrences/next-start.ts';
import { isOneShot } from '../core/occurrences/schedule.ts';
import type { CommandContext } from './applied.ts';
import { makeDue, scheduledRun } from './due-record.ts';
import { endedRun, type Effects } from './effects.ts';
import { carryOutAll, occurrencesDue, skipped } from './fire.ts';

const CANCELLED = { code: 'cancelled', message: 'the job was cancelled before the run started' };

/** The job once they are decided as if its timer had struck: some may run. Of a paused job they are SKIPPED (paused). */
export function decidePassed(job: Job, context: CommandContext, effects: Effects): Job {
  const passed = passedOf(job, context.now);
  return passed === undefined ? job : carryOutAll(job, passed, context, effects);
}

/** Ends them: what would run is CANCELLED. */
export function cancelPassed(job: Job, context: CommandContext, effects: Effects): void {
  for (const decision of passedOf(job, context.now)?.decisions ?? []) {
    effects.ended.push(decision.kind === 'run' ? cancelled(job, decision, context) : skipped(job, decision, context));
  }
}

function cancelled(job: Job, { scheduledFor }: Extract<Decision, { kind: 'run' }>, context: CommandContext) {
  const due = makeDue(job, scheduledRun(job, scheduledFor), { dueAt: context.now, traceparent: null });
  return endedRun(due, 'CANCELLED', context, { error: CANCELLED });
}

function passedOf(job: Job, now: number): Decided | undefined {
  const { nextAt, state, spec } = job;
  if (nextAt === null || spec.schedule.kind === 'on' || !isDue(job, nextAt, now)) return undefined;
  if (state === 'PAUSED') return skipRest(job, nextAt, now, 'paused');
  if (state !== 'SCHEDULED') return undefined;
  const decided = occurrencesDue({ ...job, nextAt }, now);
  if (decided.nextAt === null || !isDue(job, decided.nextAt, now)) return decided;
  // More were in time than one firing takes, and there will be no other under this schedule.
  const rest = skipRest(job, decided.nextAt, now, 'missed');
  return { decisions: [...decided.decisions, ...rest.decisions], nextAt: rest.nextAt };
}

function skipRest(job: Job, nextAt: number, now: number, reason: 'paused' | 'missed'): Decided {
  const { spec, anchorAt } = job;
  const { schedule } = spec;
  if (isOneShot(schedule)) return { decisions: [{ kind: 'skip', scheduledFor: nextAt, reason }], nextAt: null };
  return skipPassed({ schedule, anchorAt, nextAt, now, jitter: jitterFor(job), reason });
}

function isDue(job: Job, nextAt: number, now: number): boolean {
  return nextAt + jitterFor(job)(nextAt) <= now;
}
