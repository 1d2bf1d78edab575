/** What is known of an occurrence that somebody asks about: `why.ts` makes the story of it. */
import type { Job } from '../model.ts';
import type { RunDetail, RunSummary } from '../ports/inspect.ts';
import type { ParkKind } from '../ports/run-store.ts';
import type { TimerKind } from '../ports/timer-store.ts';

/** What surrounds a run that is not there yet, as the database sees it. Times are ms. */
export type Circumstances = {
  now: number;
  /** The instance that took the job's partition last; the empty string: nobody ever did. */
  owner: string;
  /** Batches of the partition that are decided and not in Kafka yet. */
  unproduced: number;
  /** The earliest timer of the partition. */
  oldestTimerAt: number | null;
  /** Of the job: its next one, and those of the time that is asked about. */
  timers: readonly { runId: string; fireAt: number; kind: TimerKind }[];
  /** Where the run waits without a Kafka offset; `limit`: the name of what it waits for, of which there may be `most`. */
  parked: { kind: ParkKind; since: number; limit: string | null; most: number | null } | null;
  /** Executors of the job's queue whose leases live. */
  executors: readonly { worker: string; handlers: readonly string[]; free: number }[];
  /** What was scheduled before this is forgotten. */
  historyFrom: number;
  /** Upstream jobs of which a run has ended since the job's own last one. */
  arrived: readonly string[];
};

/** The last command to this job that was refused. */
export type RefusedCommand = { at: number; place: string; code: string; message: string };

/** The schedule command of this job that waits until the jobs are there which it runs after, or until a time (ms). */
export type AwaitedJobs = { until: number; missing: readonly string[] };

export type Facts = {
  tenant: string;
  jobId: string;
  /** The time that is asked about, ms; null: whatever comes next. */
  at: number | null;
  /** Undefined: there is none (any more). */
  job: Job | undefined;
  /** The run of that time; undefined: it has no row. */
  run: RunDetail | undefined;
  /** A group of skipped occurrences that it is one of. */
  group: RunSummary | undefined;
  circumstances: Circumstances;
  /** Undefined: none is known, or nobody looked. */
  refused: RefusedCommand | undefined;
  /** Undefined: no command of it waits. */
  awaited: AwaitedJobs | undefined;
  /** Name of the topic of commands. */
  commandsTopic: string;
};

const OF_RUNS = ['completed', 'failed', 'cancelled', 'skipped', 'running', 'retrying'] as const;
/** Of runs that are decided and not begun. */
export const OF_DECIDED = [
  'waits_for_limit',
  'waits_for_executor',
  'waits_for_kafka',
  'waits_for_turn',
  'starting',
] as const;
const OF_OPEN = [
  ...(['not_due', 'overdue', 'deciding', 'paused'] as const),
  ...(['waits_for_upstream', 'waits_for_event', 'waits_for_run'] as const),
] as const;
const OF_NONE = [
  ...(['over', 'never', 'before_start', 'after_end', 'before_schedule'] as const),
  ...(['history_gone', 'unknown_job', 'unreadable', 'refused'] as const),
] as const;
export const VERDICTS = [...OF_RUNS, ...OF_DECIDED, ...OF_OPEN, ...OF_NONE] as const;
export type Verdict = (typeof VERDICTS)[number];

/** A line of a story; `at`: when that was (ms), null where it is not known. */
export type StoryLine = { at: number | null; what: string; text: string };

/** The story of one occurrence. */
export type Story = {
  at: number | null;
  runId: string | null;
  verdict: Verdict;
  /** One sentence: the answer. */
  answer: string;
  lines: readonly StoryLine[];
  /** What to do about it; null: nothing, or there is nothing to do. */
  advice: string | null;
};

/** The answer to "why": of a time, its occurrence; without one, the latest run and what comes next. */
export type Why = { tenant: string; jobId: string; now: number; stories: readonly Story[] };
