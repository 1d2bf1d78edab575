import type { JobSpec, Overlap } from './model.ts';

/** What every command carries. `commandId` is chosen by the sender: the same id twice has one effect. */
type Head = { commandId: string; tenant: string; jobId: string; ack: boolean };

export type ScheduleCommand = Head & {
  type: 'schedule';
  ifExists: 'replace' | 'keep' | 'reject';
  /** Compare-and-set: applied only to this version of an existing job. */
  ifVersion: number | null;
  job: JobSpec;
};

/** `hasPayload` tells an absent payload (the job's own is used) from an explicit null. */
export type TriggerCommand = Head & { type: 'trigger'; hasPayload: boolean; payload: unknown; overlap: Overlap | null };
export type ReplayCommand = Head & { type: 'replay'; runId: string; force: boolean };
/** `jobId` is the event's name: its place in the job space. */
export type EmitCommand = Head & { type: 'emit'; eventId: string; payload: unknown };
export type BackfillCommand = Head & {
  type: 'backfill';
  /** `[from, to)`, ms. */
  from: number;
  to: number;
  dryRun: boolean;
  overlap: 'buffer_all' | 'allow';
  /** The most runs that it may make; with more it is refused. */
  limit: number;
};
/** As sent it is a `cancel` with a `runId`. */
export type CancelRunCommand = Head & { type: 'cancelRun'; runId: string };
export type SimpleCommand = Head & { type: 'cancel' | 'pause' | 'resume' };

/**
 * Internal: the end of an upstream's run, from the timer that owns it to the one that owns the downstream. It only points at
 * the run: whoever applies it reads in the store how that ended, so a forged one can start nothing.
 */
export type UpstreamCommand = Head & { type: 'upstream'; upstream: string; runId: string };

/** A command after validation (`spec/parse-command.ts`): every default is filled in. */
export type Command =
  | ScheduleCommand
  | TriggerCommand
  | ReplayCommand
  | EmitCommand
  | BackfillCommand
  | CancelRunCommand
  | SimpleCommand
  | UpstreamCommand;
