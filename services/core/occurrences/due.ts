/**
 * What to do when the timer of an occurrence strikes: with it, and with all that came due meanwhile.
 *
 * Occurrences are decided in the order of their scheduled times, each once: what is decided lies before the `nextAt`
 * returned, and nothing before it is left out. With jitter, one that could start earlier than the one before it waits
 * for that; its due time is then the later of the two, so that it is not missed for waiting.
 *
 * An absence is never iterated from its beginning: the end of what was missed is found by searching from now, and walked
 * back from only as far as rows are written.
 */
import type { MissedPolicy, Schedule } from '../model.ts';
import { afterEnd, isExcluded, isOneShot, nextOccurrence, prevIncluded, prevOccurrence } from './schedule.ts';

export type RunDecision = { kind: 'run'; scheduledFor: number };
export type SkipDecision = { kind: 'skip'; scheduledFor: number; reason: 'missed' | 'excluded' | 'paused' };
/**
 * Skipped occurrences that share a row, excluded ones among them: `from` and `to` are included; `count` is null where
 * counting is too dear.
 */
export type SkipGroupDecision = {
  kind: 'skipGroup';
  reason: 'missed' | 'paused';
  count: number | null;
  from: number;
  to: number;
};
export type Decision = RunDecision | SkipDecision | SkipGroupDecision;

/** `nextAt` is the first undecided occurrence; null when there is none, or when it depends on the end of a run decided here. */
export type Decided = { decisions: Decision[]; nextAt: number | null };

export type PassedInput = {
  schedule: Schedule;
  anchorAt: number;
  /** The first undecided occurrence. */
  nextAt: number;
  now: number;
  /** Jitter of an occurrence in milliseconds, below the schedule's `jitterMs`. */
  jitter: (scheduledFor: number) => number;
};

export type DueInput = PassedInput & {
  missed: MissedPolicy;
  /** How many more runs `maxRuns` allows; null: any number. */
  runsLeft: number | null;
};

/** So many skipped occurrences get a row each at one time; the older ones share one. */
const MAX_SKIP_ROWS = 1_000;
/** So many occurrences that are in time are decided at once; the timer of the next one strikes again immediately. */
const MAX_IN_TIME = 1_000;

/**
 * Decides the occurrence `nextAt` and all later ones whose time, jitter included, has passed.
 *
 * One that is late by more than `thresholdMs` is missed. The missed policy chooses which of those still run; the
 * others, and excluded ones, are skipped. One-shots run unless they are past their deadline.
 */
export function decideDue(input: DueInput): Decided {
  const { schedule, now, missed } = input;
  if (input.runsLeft !== null && input.runsLeft <= 0) return { decisions: [], nextAt: null };
  if (isOneShot(schedule)) return decideOneShot(input);
  const isMissed = (dueAt: number) => now - dueAt > missed.thresholdMs;
  const inTimeFrom = firstWhoseDue(input, now - missed.thresholdMs, isMissed);
  const policy = missedPolicy(input);
  const skipped = decidePassed(input, inTimeFrom ?? now + 1, policy);
  const inTime = decideInTime(input, inTimeFrom);
  return limitRuns({ decisions: [...skipped, ...inTime.decisions], nextAt: inTime.nextAt }, input);
}

/**
 * Skips the occurrence `nextAt` and all later ones whose time has passed, for a schedule that comes back from a pause, or
 * that changes. One-shots are left as they are: they run.
 */
export function skipPassed(input: PassedInput & { reason: 'paused' | 'missed' }): Decided {
  const { schedule, nextAt, now, reason } = input;
  if (isOneShot(schedule)) return { decisions: [], nextAt };
  const next = firstWhoseDue(input, now, (dueAt) => dueAt <= now);
  const decisions = decidePassed(input, next ?? now + 1, {
    reason,
    decide: (scheduledFor) => ({ kind: 'skip', scheduledFor, reason }),
    runsBefore: () => [],
  });
  return { decisions, nextAt: next ?? afterSkip(input, decisions) };
}

function decideOneShot({ nextAt, now, missed }: DueInput): Decided {
  if (nextAt > now) return { decisions: [], nextAt };
  const isTooLate = now - nextAt > (deadlineMsOf(missed) ?? Infinity);
  return { decisions: [isTooLate ? skip(nextAt, 'missed') : { kind: 'run', scheduledFor: nextAt }], nextAt: null };
}

/**
 * How late a one-shot may be decided and still run, ms: its `window`, or with `skip` alone the threshold of a minute; null:
 * however late.
 */
export function deadlineMsOf({ policy, thresholdMs, windowMs }: MissedPolicy): number | null {
  return windowMs ?? (policy === 'skip' ? thresholdMs : null);
}

/**
 * The first undecided occurrence whose due time does not satisfy `hasPassed`, null when all do. Times up to `passedUntil`
 * satisfy it, so the search may begin at what even the largest jitter leaves before that.
 */
function firstWhoseDue(input: PassedInput, passedUntil: number, hasPassed: (dueAt: number) => boolean): number | null {
  const { schedule, nextAt, jitter } = input;
  const jitterMs = isOneShot(schedule) ? 0 : schedule.jitterMs;
  const from = passedUntil - jitterMs;
  let at = nextAt >= from ? nextAt : following(input, from - 1);
  while (at !== null && hasPassed(at + jitter(at))) at = following(input, at);
  return at;
}

function decideInTime(input: DueInput, from: number | null): Decided {
  const { schedule, now, jitter } = input;
  const decisions: Decision[] = [];
  let at = from;
  while (at !== null && at + jitter(at) <= now && decisions.length < MAX_IN_TIME) {
    decisions.push(isExcluded(schedule, at) ? skip(at, 'excluded') : { kind: 'run', scheduledFor: at });
    at = following(input, at);
  }
  return { decisions, nextAt: at };
}

/** How to decide occurrences that are asked about from the newest to the oldest. */
type NewestFirst = {
  reason: 'missed' | 'paused';
  decide: (scheduledFor: number) => RunDecision | SkipDecision;
  /** The runs still to come before an occurrence, newest first, found without asking about each. */
  runsBefore: (at: number) => RunDecision[];
};

function missedPolicy(input: DueInput): NewestFirst {
  const { schedule, anchorAt, nextAt, now, missed } = input;
  const runsFrom = Math.max(nextAt, missed.windowMs === null ? -Infinity : now - missed.windowMs);
  let runsLeft = { skip: 0, once: 1, all: missed.limit }[missed.policy];
  return {
    reason: 'missed',
    decide(at) {
      if (isExcluded(schedule, at)) return skip(at, 'excluded');
      if (runsLeft === 0 || at < runsFrom) return skip(at, 'missed');
      runsLeft--;
      return { kind: 'run', scheduledFor: at };
    },
    // Runs are left here only when excluded days used up the rows.
    runsBefore(before) {
      const runs: RunDecision[] = [];
      for (let at: number | null = before; runsLeft > 0; runsLeft--) {
        at = prevIncluded(schedule, anchorAt, at);
        if (at === null || at < runsFrom) break;
        runs.push({ kind: 'run', scheduledFor: at });
      }
      return runs;
    },
  };
}

/** Decides what lies in `[nextAt, end)`, in order; beyond the rows allowed, the oldest skipped ones become a group. */
function decidePassed(input: PassedInput, end: number, { reason, decide, runsBefore }: NewestFirst): Decision[] {
  const newestFirst: Decision[] = [];
  let rows = 0;
  for (let at = preceding(input, end); at !== null; at = preceding(input, at)) {
    const decision = decide(at);
    if (decision.kind === 'skip' && ++rows > MAX_SKIP_ROWS) {
      const runs = runsBefore(at);
      newestFirst.push(...runs, groupUpTo(input, reason, at, runs.length));
      break;
    }
    newestFirst.push(decision);
  }
  return newestFirst.reverse();
}

function groupUpTo(input: PassedInput, reason: 'missed' | 'paused', to: number, runs: number): SkipGroupDecision {
  const { schedule, nextAt } = input;
  const count = schedule.kind === 'every' ? (to - nextAt) / schedule.everyMs + 1 - runs : null;
  return { kind: 'skipGroup', reason, count, from: nextAt, to };
}

/** Drops what comes after the last run that `maxRuns` allows, and settles what is next. */
function limitRuns({ decisions, nextAt }: Decided, input: DueInput): Decided {
  let runsLeft = input.runsLeft ?? Infinity;
  const last = decisions.findIndex((decision) => decision.kind === 'run' && --runsLeft === 0);
  if (last >= 0) return { decisions: decisions.slice(0, last + 1), nextAt: null };
  return { decisions, nextAt: nextAt ?? afterSkip(input, decisions) };
}

/** A fixed delay whose occurrence was skipped has no run whose end it could wait for: the decision stands for it. */
function afterSkip({ schedule, now }: PassedInput, decisions: readonly Decision[]): number | null {
  return decisions.at(-1)?.kind === 'skip' ? afterEnd(schedule, now) : null;
}

/** The next occurrence, and the one before, among the undecided ones. Of a fixed delay `nextAt` is the only one. */
function following({ schedule, anchorAt }: PassedInput, after: number): number | null {
  return schedule.kind === 'fixedDelay' ? null : nextOccurrence(schedule, anchorAt, after);
}

function preceding({ schedule, anchorAt, nextAt }: PassedInput, before: number): number | null {
  if (before <= nextAt) return null;
  const at = schedule.kind === 'fixedDelay' ? nextAt : prevOccurrence(schedule, anchorAt, before);
  return at !== null && at >= nextAt ? at : null;
}

function skip(scheduledFor: number, reason: SkipDecision['reason']): SkipDecision {
  return { kind: 'skip', scheduledFor, reason };
}
