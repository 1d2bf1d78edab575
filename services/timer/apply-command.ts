/**
 * Commands, decided: what each does to its job.
 *
 *              schedule        pause         fires last            cancel
 *   (none) ──▶ SCHEDULED ◀──▶ PAUSED    SCHEDULED ──▶ FINISHED    any ──▶ CANCELLED
 *                 ▲   resume                             │                    │
 *                 └───────────────── schedule ───────────┴────────────────────┘
 *
 * A paused job fires nothing by itself; a trigger still runs it, and retries of runs decided before go on.
 */
import type { BackfillCommand, Command, EmitCommand, ScheduleCommand, SimpleCommand } from '../core/command.ts';
import { isOpen, type AppliedCommand, type Job } from '../core/model.ts';
import { skipPassed } from '../core/occurrences/due.ts';
import { jitterFor } from '../core/occurrences/next-start.ts';
import { afterEnd, isOneShot } from '../core/occurrences/schedule.ts';
import { rejected, type Applied, type CommandContext } from './applied.ts';
import { applyBackfill } from './apply-backfill.ts';
import { applyCancelRun } from './apply-cancel-run.ts';
import { applyReplay, applyTrigger } from './apply-run-commands.ts';
import { applySchedule, keepsPhase } from './apply-schedule.ts';
import { applyUpstream } from './apply-upstream.ts';
import { makeDue } from './due-record.ts';
import { bringForward, endedRun, noEffects, type Effects } from './effects.ts';
import { skipped } from './fire.ts';
import { finishedIfDone, hasRunsLeft, retime, withNextAt } from './occurrence.ts';
import { cancelPassed } from './passed.ts';

/** So many applied commands of a job are remembered; triggers and replays are remembered by time. */
const RECENT_COMMANDS = 16;

/** A command to one job; an emit is to many. */
export type JobCommand = Exclude<Command, EmitCommand>;

/**
 * Applies a valid command to its job (undefined: there is none).
 * @returns what happens, or why nothing does; never throws for what a user sent
 */
export function applyCommand(job: Job | undefined, command: JobCommand, context: CommandContext): Applied {
  if (command.type === 'trigger') return applyTrigger(job, command, context);
  if (command.type === 'replay') return applyReplay(job, command, context);
  if (command.type === 'upstream') return applyUpstream(job, command, context);
  if (command.type === 'cancelRun') return applyCancelRun(job, command, context);
  if (job?.recentCommands.includes(command.commandId) === true) return { outcome: 'duplicate' };
  return remember(applyOnce(job, command, context), job, command, context);
}

type RememberedCommand = ScheduleCommand | BackfillCommand | SimpleCommand;

function applyOnce(job: Job | undefined, command: RememberedCommand, context: CommandContext): Applied {
  if (command.type === 'schedule') return applySchedule(job, command, context);
  return command.type === 'backfill' ? applyBackfill(job, command, context) : applySimple(job, command, context);
}

function remember(
  applied: Applied,
  before: Job | undefined,
  command: RememberedCommand,
  context: CommandContext,
): Applied {
  if (applied.outcome !== 'applied' || applied.effects.job === undefined) return applied;
  const { job } = applied.effects;
  const recentCommands = [...job.recentCommands, command.commandId].slice(-RECENT_COMMANDS);
  const appliedCommands = appliedWith(before, job, command, context);
  return { ...applied, effects: { ...applied.effects, job: { ...job, recentCommands, appliedCommands } } };
}

function appliedWith(
  before: Job | undefined,
  after: Job,
  command: RememberedCommand,
  { now, offset, traceparent }: CommandContext,
): AppliedCommand[] {
  const { type, commandId } = command;
  const schedule = before?.appliedCommands?.find((each) => each.type === 'schedule');
  const applied: AppliedCommand = { type, commandId, at: now, offset };
  if (command.type !== 'schedule') return [...(schedule === undefined ? [] : [schedule]), applied];
  const keeps = schedule !== undefined && before !== undefined && keepsPhase(before, command);
  // One that was over, and whose new bounds go on, has its occurrences from now on.
  const goesOn = keeps && (isOpen(before) || !isOpen(after));
  const trace = isOneShot(command.job.schedule) && traceparent !== null ? { traceparent } : {};
  return [{ ...applied, ...trace, ...(goesOn && { since: schedule.since ?? schedule.at }) }];
}

function applySimple(job: Job | undefined, command: SimpleCommand, context: CommandContext): Applied {
  if (job === undefined) return rejected('unknown_job', 'there is no such job');
  if (command.type === 'cancel') return cancel(job, context);
  if (!isOpen(job)) {
    return rejected('conflict', `a job that is ${job.state} cannot be ${command.type}d`);
  }
  const target = command.type === 'pause' ? 'PAUSED' : 'SCHEDULED';
  if (job.state === target) return { outcome: 'unchanged' };
  return command.type === 'pause' ? pause(job, context) : resume(job, context);
}

/**
 * No further occurrence; what waits ends CANCELLED, and the raised generation tells executors to end what they have.
 * A job that is cancelled or finished already is cancelled again: replays or its last run may be under way.
 */
function cancel(job: Job, context: CommandContext): Applied {
  const effects = noEffects();
  const error = { code: 'cancelled', message: 'the job was cancelled before the run started' };
  cancelPassed(job, context, effects);
  for (const run of job.buffered) {
    const due = makeDue(job, run, { dueAt: context.now, traceparent: null });
    effects.ended.push(endedRun(due, 'CANCELLED', context, { error }));
  }
  bringForward(context.retryTimers(), context.now, effects);
  const after: Job = {
    ...withNextAt(job, null),
    state: 'CANCELLED',
    cancelGen: job.cancelGen + 1,
    buffered: [],
    pausedAt: null,
    updatedAt: context.now,
  };
  retime(job, after, context.topics, effects);
  return { outcome: 'applied', effects: { ...effects, job: after } };
}

function pause(job: Job, context: CommandContext): Applied {
  const effects = noEffects();
  const paused: Job = { ...job, state: 'PAUSED', pausedAt: context.now, updatedAt: context.now };
  const after = withNextAt(paused, job.nextAt);
  retime(job, after, context.topics, effects);
  return { outcome: 'applied', effects: { ...effects, job: after } };
}

/** What passed meanwhile is SKIPPED (paused); a one-shot whose time passed runs now. */
function resume(job: Job, context: CommandContext): Applied {
  const effects = noEffects();
  const open: Job = { ...job, state: 'SCHEDULED', pausedAt: null, updatedAt: context.now };
  const after = finishedIfDone(withNextAt(open, nextAfterPause(open, context, effects)));
  retime(job, after, context.topics, effects);
  return { outcome: 'applied', effects: { ...effects, job: after } };
}

function nextAfterPause(job: Job, context: CommandContext, effects: Effects): number | null {
  const { nextAt, anchorAt } = job;
  const { schedule } = job.spec;
  if (nextAt === null || schedule.kind === 'on') return nextAt;
  const passed = skipPassed({ schedule, anchorAt, nextAt, now: context.now, jitter: jitterFor(job), reason: 'paused' });
  for (const decision of passed.decisions) {
    if (decision.kind !== 'run') effects.ended.push(skipped(job, decision, context));
  }
  const waits = job.active.length + job.buffered.length > 0;
  return passed.nextAt ?? (waits || !hasRunsLeft(job) ? null : afterEnd(schedule, context.now));
}
