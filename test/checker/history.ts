/**
 * What happened, as seen from outside: what clients sent and were told, what handlers did, what was published, and the rows
 * that were left. Whoever drives Belfry under faults (the simulation, the chaos run) writes one; the checker only reads it.
 *
 * All times are ms of one true clock, that of the database.
 */
import type {
  ConcurrencyKey,
  Delivery,
  EmittedEvent,
  JobType,
  Overlap,
  RunStatus,
  Schedule,
  TerminalStatus,
  Trigger,
} from '../../services/core/model.ts';
import type { Quotas } from '../../services/core/ports/tenants.ts';
import type { CommandType } from '../../services/core/records.ts';

export type JobAsSent = {
  type: JobType;
  schedule: Schedule;
  overlap: Overlap;
  delivery: Delivery;
  /** The least wait before a retry. */
  retryDelayMs: number;
  concurrencyKey?: ConcurrencyKey;
};

/**
 * A command, in the order in which the log has those of one job. `answer`: the first acknowledgement that was seen; null: none
 * was, so that it may have been applied at any time from `sentAt` on, or never.
 */
export type SentCommand = {
  commandId: string;
  job: string;
  type: CommandType;
  spec: JobAsSent | null;
  /** Of a trigger that brought its own. */
  overlap: Overlap | null;
  /** Of an emit, whose `job` is the event's place. */
  event?: EmittedEvent;
  sentAt: number;
  answer: Answer | null;
};
export type Answer = {
  outcome: 'applied' | 'unchanged' | 'duplicate' | 'rejected';
  /** When the acknowledgement stood on its topic: it was applied before. */
  at: number;
  state: string | null;
  version: number | null;
  nextFireAt: number | null;
  /** Of a backfill: what it runs. */
  occurrences?: readonly number[] | null;
  /** Why it was rejected. */
  code?: string | undefined;
};

export type RunRow = {
  runId: string;
  job: string;
  status: RunStatus;
  scheduledFor: number;
  finishedAt: number | null;
  idempotencyKey: string;
  replayOf: string | null;
  result: unknown;
};

/** Limits that a tenant was given. Of a tenant's, the first hold from the beginning on. */
export type QuotaChange = {
  at: number;
  tenant: string;
  quotas: Pick<Quotas, 'concurrentRuns' | 'runsPerSecond' | 'handlerRuns' | 'jobs'>;
};

/** A webhook, and what it hears of; no jobs: of all. */
export type KnownWebhook = {
  tenant: string;
  id: string;
  /** When it was made, and removed (null: never). */
  from: number;
  until: number | null;
  statuses: readonly TerminalStatus[];
  jobs: readonly string[];
};

/** A request that reached the receiver of a webhook. */
export type Received = {
  /** Id of the webhook. */
  webhook: string;
  /** Of the outcome. */
  id: string;
  /** Whether its signature is that of the webhook. */
  isGenuine: boolean;
};

/** A terminal row as it was seen while the system ran: it must never change. */
export type Sighting = { runId: string; status: RunStatus; result: unknown };

/** One call of a handler: what a sink outside Belfry would see. */
export type Call = {
  runId: string;
  job: string;
  attempt: number;
  idempotencyKey: string;
  scheduledFor: number;
  node: string;
  startedAt: number;
  /** Null: it never came back; its process was not killed. */
  endedAt: number | null;
  end: 'returned' | 'threw' | 'killed' | null;
  /** Whether it ends when its signal aborts. */
  obedient: boolean;
  /** Its name; absent: nobody asks for limits of handlers. */
  handler?: string;
};

export type Event = {
  eventId: string;
  runId: string;
  job: string;
  type: JobType;
  status: TerminalStatus;
  trigger: Trigger;
  cause: string;
  scheduledFor: number;
  finishedAt: number;
  attempt: number;
  result: unknown;
  errorCode: string | null;
  /** Of skipped occurrences that share an event. */
  from: number | null;
  to: number | null;
};

/**
 * - `kill`, `freeze` (and what thawed), `stop` (a clean one)
 * - `cut`: no way to the store, to the broker, or one that loses requests or answers
 * - `slow`: answers take longer, up to seconds
 */
export type Fault = { node: string; kind: 'kill' | 'freeze' | 'stop' | 'cut' | 'slow'; from: number; until: number };

/** `until`: null to the end. */
export type FormerOwners = {
  partitions: number;
  owned: readonly { partition: number; from: number; until: number | null }[];
};

export type History = {
  commands: readonly SentCommand[];
  /** Every acknowledgement that stood on its topic, `text` being all of it. */
  acks: readonly { commandId: string; outcome: string; text: string }[];
  /** Ids of commands that stand among the rejected; absent: nobody looked. */
  rejected?: readonly string[];
  jobs: readonly { job: string; version: number; state: string }[];
  runs: readonly RunRow[];
  sightings: readonly Sighting[];
  calls: readonly Call[];
  /** Rows that handlers wrote in `ctx.transaction` and that were committed. */
  writes: readonly { runId: string }[];
  /** KAFKA_MESSAGEs as a read_committed reader sees them. */
  messages: readonly { runId: string; at: number }[];
  events: readonly Event[];
  /** Runs on the DLQ. */
  dead: readonly { runId: string }[];
  /** What was enqueued in database transactions; absent: nothing was. */
  enqueued?: {
    /** Ids of commands. */
    committed: readonly string[];
    rolledBack: readonly string[];
    /** One-shots that runs scheduled in `ctx.transaction`, each a job of its own; again in each attempt. */
    scheduled: readonly { runId: string; job: string }[];
  };
  /** What cannot be applied is among what was written: others have their answers within so long. Absent: nothing is. */
  promptMs?: number;
  /** Absent: nobody has any. */
  webhooks?: readonly KnownWebhook[];
  /** What their receivers got; absent: nobody looked. */
  received?: readonly Received[];
  /** What users of the HTTP API were told of their commands; absent: it has none. */
  requests?: readonly { commandId: string; status: number }[];
  /** Lists of all jobs of a tenant, asked for at some time. */
  listings?: readonly { tenant: string; at: number; jobs: readonly string[] }[];
  /** Ids of the events that a listener to the API's stream heard of, who came before all else and always came back. */
  streams?: readonly { tenant: string; events: readonly string[] }[];
  faults: readonly Fault[];
  /** What timers of the former release owned, and when; absent: there were none. */
  former?: FormerOwners;
  /** Records of runs that lack what a newer release wrote into earlier ones; absent: nobody looked. */
  dropped?: readonly { runId: string; topic: string }[];
  /** In the order of time; absent: nobody has any. */
  quotas?: readonly QuotaChange[];
  /** All faults are over from here on. */
  healedAt: number;
  /** When nothing was left to do; null: that time did not come. */
  quietAt: number | null;
  /** What was left to do at the end, in words. */
  left: readonly string[];
};

/** The result of runs that completed in `ctx.transaction`. */
export const IN_TRANSACTION = 'in transaction';

export const INVARIANTS = {
  I1: 'every occurrence of an acknowledged schedule, and every acknowledged trigger and replay, has a run or a recorded reason',
  I2: 'at most one run per occurrence, and one effect per command',
  I3: 'exactly one distinct terminal outcome per run; stale writers change nothing',
  I4: 'a call or more per success, all with one key, repeated only after a fault, never two at once; ctx.transaction exactly once',
  I5: 'nothing starts early',
  I6: 'nothing is left to do within a bound after healing',
  I7: 'the DLQ holds the FAILED runs, and every terminal run has its event',
  I8: 'nothing starts after an applied cancel, and no scheduled run is cancelled for an earlier one',
  I9: 'no more runs at one time, or in one second, than their limits allow, while leases are honoured',
  I10: 'one run, or a recorded reason, per event and job that listened before, and per occurrence backfilled; none else',
  I11: 'one run after each set of upstream runs that have ended, or one that says why not',
  I12: 'a command enqueued in a transaction has its effect when that is committed, and only then',
  I13: 'one delivery per webhook and outcome that it hears of; none else',
  I14: 'a refused command stands among the rejected; a job beyond the quota of its tenant is refused, and no other',
  I15: 'users of the HTTP API are told what is so: of their commands, of the jobs there are, of each outcome',
  I16: 'what a newer release wrote into the records of a run is carried through all its attempts',
  I17: 'what cannot be applied stops nobody: commands of others are answered within a bound',
} as const;
export type Invariant = keyof typeof INVARIANTS;

export type Violation = {
  invariant: Invariant;
  message: string;
  /** What it is about: a run id or a job. */ about: string;
  /** Whether a process of the former release did it, which does not promise this. */
  isOfFormer?: boolean;
};

/** @returns a short form of a time, for people */
export function clockTime(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
