/** What a command is decided in, and what comes of it. */
import type { AppliedCommand } from '../core/model.ts';
import type { Arrival, StoredRun, TimerRow } from '../core/ports/timer-store.ts';
import type { Rejection } from '../core/records.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import type { DecideContext, Effects } from './effects.ts';

export type CommandContext = DecideContext & {
  partition: number;
  /** Kafka timestamp of the command, ms: `in` counts from it. */
  recordTimestampMs: number;
  /** The sender's trace. */
  traceparent: string | null;
  /** The sender may run jobs, not change them. */
  isRunOnly: boolean;
  spec: SpecOptions;
  /** Offset of the command on job.commands; null: it did not come from there. */
  offset: AppliedCommand['offset'];
  /** Whether this trigger, replay or delivery was applied before. */
  seen: boolean;
  /** The run that a replay or a cancel names, if it exists. */
  stored: StoredRun | undefined;
  /** Of the job: what the store knows of arrivals, and what this step did to them. */
  arrivals: readonly Arrival[];
  /** Runs that arrived, and the one that arrives. */
  runs: ReadonlyMap<string, StoredRun>;
  /** Of the run that a cancel names: its row of `timers` while it waits for its time, and whether it is parked. */
  waiting: { timer: TimerRow | undefined; isParked: boolean };
  /** Whether a KAFKA_MESSAGE is on its way: nothing can stop it. */
  isPublishing(runId: string): boolean;
  hasTopic(topic: string): boolean;
  /** What is stored of the occurrences that a backfill asks for; undefined: it was not looked up. */
  occurrenceRuns: (runId: string) => StoredRun | null | undefined;
};

export type Applied =
  /** `occurrences`: those that a backfill runs. */
  | { outcome: 'applied'; effects: Effects; occurrences?: readonly number[] }
  | { outcome: 'unchanged' | 'duplicate'; occurrences?: readonly number[] }
  | { outcome: 'rejected'; rejection: Rejection };

export function rejected(code: Rejection['code'], message: string): Applied {
  return { outcome: 'rejected', rejection: { code, message } };
}
