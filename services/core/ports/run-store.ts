/**
 * What executors keep: runs (the idempotency table and the history), leases, parked runs.
 * Implementations: `adapters/postgres`, `adapters/memory`. All times that decide something are the store's own clock.
 *
 * Errors: BelfryError `store_unavailable` (retryable; the outcome of a write is unknown: the same call again finds its own
 * effect), `bad_data` (not retryable), `lease_lost` (not retryable; claim and transaction only).
 */
import type { Priority, RunStatus } from '../model.ts';
import type { DueRecord, RunError } from '../records.ts';

/** One incarnation of an executor. `worker` is what people see (`host:pid`). */
export type Lease = {
  executor: string;
  worker: string;
  queue: string;
  transactionalId: string;
  /** Handlers it has (`HTTP_REQUEST` for that type). */
  handlers: readonly string[];
};

/** A run's row, as the claim's decision needs it. */
export type RunRow = {
  runId: string;
  status: RunStatus;
  attempt: number;
  /** Raised by every claim; every write of a run's owner is fenced by it. */
  token: number;
  /** Attempts lost with their worker. */
  lost: number;
  executor: string | null;
  worker: string;
  nonce: string | null;
  /** The lease of `executor` is neither dead nor past its end. */
  leaseAlive: boolean;
  /**
   * A row of `parked` holds this attempt of the run (one left from an earlier attempt does not count). False in a claim that
   * inserted: the run is started here whatever is parked; settle tells.
   */
  parked: boolean;
  startedAt: number | null;
  finishedAt: number | null;
  /** RETRYING: when the next attempt is due. */
  retryAt: number | null;
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
  reason: string | null;
};

/** How many runs with a place under `name` there may be over the whole deployment. */
export type Limit = {
  name: string;
  /** From 1. */
  most: number;
  /** So many starts in any second, instead of runs at one time. */
  perSecond?: boolean;
};

/** A run that needs a place under each of its limits before it is claimed. */
export type Admission = {
  due: DueRecord;
  handler: string;
  /** Of the claim that follows. */
  nonce: string;
  /** New with every admission; `leave` names it. The same call again has the same. */
  ticket: string;
  limits: readonly Limit[];
  /** The executor holds it by a row of `parked`, not by an offset. */
  parked: boolean;
};
/**
 * - `placed`: it has its places until `leave`, or until the lease is dead.
 * - `known`: it has none and must not be started; its row, which there is, tells what else to do.
 * - `held`: another executor has its places and is about to start it, or died before: keep the record and ask again. To claim it
 *   now would make a row that nobody runs.
 * - `waits`: it is parked now and nobody's; woken when its turn has come.
 */
export type Admitted = 'placed' | 'known' | 'held' | 'waits';

export type ClaimRequest = { due: DueRecord; nonce: string };
/** `row.status` RUNNING, executor me and nonce mine: the claim is ours (even after an in-doubt commit). */
export type Claim = { runId: string; inserted: boolean; row: RunRow };

/** Compare-and-set of an existing row: taken only if its token is still `expectedToken`. */
export type Reclaim = {
  due: DueRecord;
  nonce: string;
  expectedToken: number;
  /** Taking over a dead worker's attempt: its lease must be dead, `lost` goes up by one. */
  lostAttempt: boolean;
};

export type Settlement = {
  runId: string;
  token: number;
  /** COMPLETED, FAILED, CANCELLED are terminal; RETRYING waits; ENQUEUED hands the run back at no cost. */
  status: 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'RETRYING' | 'ENQUEUED';
  /** The attempt that RETRYING announces; else the one that ran. */
  attempt: number;
  /** RETRYING: from now, by the store's clock. */
  retryInMs: number | null;
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
  /** Kept for replay when FAILED. */
  due: DueRecord | null;
};
/** Only for settlements that took effect (now, or in an earlier try whose answer was lost). */
export type Settled = {
  runId: string;
  /** Of the attempt that ended; null when the run never started. */
  startedAt: number | null;
  /** End of the attempt; of a terminal status, the run's `finishedAt`. */
  finishedAt: number;
  retryAt: number | null;
  /** A parked row holds it: publish without an offset, then unpark. */
  parked: boolean;
  /** Other jobs run after this one's runs: its timer must hear of the end. */
  chained: boolean;
};

export type ParkKind = 'handed_over' | 'detached' | 'waiting';
/**
 * A run that no Kafka offset holds any more. `handed_over`: nobody's, free executors take it. `detached`: `executor` runs
 * it or has still to publish its outcome. `waiting`: for a place under a limit. `parkedAt`, since when it is of this kind, is set by the store.
 */
export type ParkedRun = {
  runId: string;
  kind: ParkKind;
  executor: string | null;
  queue: string;
  priority: Priority;
  handler: string;
  due: DueRecord;
  parkedAt: number;
};

export type LeaseState = {
  executor: string;
  worker: string;
  transactionalId: string;
  alive: boolean;
  /** Ms since it was taken, or since it was renewed for the first time after it had run out: held without a gap since then. */
  ageMs: number;
  free: number;
  handlers: readonly string[];
  queue: string;
};

/** A handler's own transaction: its writes and the run's outcome commit together. `client` is a pg client in PostgreSQL. */
export type RunTransaction = {
  client: unknown;
  settle: (settlement: Settlement) => Promise<Settled | undefined>;
  /** Enqueues a command that is there when the transaction has committed. @throws BelfryError `invalid` */
  enqueue: (command: EnqueuedCommandInput) => Promise<void>;
};

/** A command as a handler enqueues it; the rest of it is for the timer to judge. */
export type EnqueuedCommandInput = { type: string; commandId: string; tenant: string; jobId: string };

export interface RunStore {
  databaseNow(): Promise<number>;
  /**
   * Inserts a row RUNNING under this lease for every run that has none, and answers every run's row as it is then. One batch
   * holds no run twice. A run that is claimed before its time starts at its time. Throws `lease_lost` when this lease is dead: then nothing was inserted.
   */
  claim(lease: Lease, requests: readonly ClaimRequest[]): Promise<Claim[]>;
  /** Answers the rows that were taken: RUNNING, token raised, attempt = the due record's. Waiting rows (RETRYING, ENQUEUED), or with `lostAttempt` RUNNING ones. */
  reclaim(lease: Lease, requests: readonly Reclaim[]): Promise<RunRow[]>;
  /** Writes what takes effect under its token. Settling again the same way answers again. */
  settle(lease: Lease, settlements: readonly Settlement[]): Promise<Settled[]>;
  /**
   * Runs `work` in a database transaction that ends with its settle; everything rolls back when work throws, when its token is
   * stale (`lease_lost`), when it never settled (`not_settled`) or takes longer than `timeoutMs` (`timeout`). A commit whose
   * answer was lost is looked up; only when that fails too is it `store_unavailable`.
   */
  transaction<T>(lease: Lease, timeoutMs: number, work: (transaction: RunTransaction) => Promise<T>): Promise<T>;
  /**
   * Which of these runs were cancelled, with their jobs since they were decided or by themselves, in the order asked. Read after the
   * claim's commit, and with each heartbeat.
   */
  cancelled(runs: readonly Pick<DueRecord, 'tenant' | 'jobId' | 'runId' | 'cancelGen'>[]): Promise<boolean[]>;
  /** Enqueues a command for the timer; durable when this resolves. @throws BelfryError `invalid` */
  enqueue(command: EnqueuedCommandInput): Promise<void>;
  progress(
    lease: Lease,
    entries: readonly { runId: string; token: number; fraction: number; note: string | null }[],
  ): Promise<void>;

  /**
   * Gives runs their places under limits, all of a run's or none, oldest run first: one that would pass another which waits
   * for the same waits too. Answers in the order asked; throws `lease_lost` when this lease is dead. A crash frees the places
   * when the lease is marked dead.
   */
  admit(lease: Lease, admissions: readonly Admission[]): Promise<Admitted[]>;
  /** Gives places back and wakes those whose turn it is (handed over); answers how many. Again is harmless. */
  leave(tickets: readonly string[]): Promise<number>;
  /** Wakes those whose places came free by themselves: with a dead lease, with the end of a second. Answers how many. */
  wakeWaiting(): Promise<number>;

  /** One row a run: a later attempt replaces an earlier one, the same attempt its former kind; an earlier one changes nothing. */
  park(entries: readonly ParkedRun[]): Promise<void>;
  /**
   * Removes rows of these attempts or earlier ones: `unpark([task.due])`, the due record of the attempt whose end was published.
   * A later attempt may have been parked meanwhile, and its row is then all that is left of the run.
   */
  unpark(runs: readonly { runId: string; attempt: number }[]): Promise<void>;
  /**
   * Takes up to `limit` handed-over runs that this lease has handlers for (SKIP LOCKED, high priority first), of all tenants
   * but `exceptTenants`: they become detached, this executor's. With `held`, the ids of all detached runs that the caller knows as its own, the others that are
   * its own come too: an answer was lost. (Skip those that became known while the call was under way.)
   */
  takeParked(
    lease: Lease,
    limit: number,
    held?: readonly string[],
    exceptTenants?: readonly string[],
  ): Promise<ParkedRun[]>;
  /** Parked runs of dead leases become handed_over again; answers how many. */
  releaseParkedOfDead(): Promise<number>;
  /** Handed over longer than `olderThanMs`, and in all that time no live executor of its queue had the handler: taken, to end as `handler_not_found`. */
  takeOrphans(lease: Lease, olderThanMs: number, limit: number): Promise<ParkedRun[]>;
  /**
   * Those of its queue that nobody has in hand although they were cancelled: by themselves, or with their job while they wait for
   * a place. Taken, whatever their handler, to end so.
   */
  takeCancelled(lease: Lease, limit: number): Promise<ParkedRun[]>;

  /** Makes the lease; `lengthMs` from now. Again is harmless. */
  openLease(lease: Lease, lengthMs: number): Promise<void>;
  /** Renews unless it was marked dead; false: it is dead. `free` slots are advertised to those that hand over. */
  renewLease(executor: string, lengthMs: number, free: number): Promise<boolean>;
  /** Marks leases dead that ran out, in a transaction of its own; answers those marked by this call, to fence their transactional ids. */
  markDead(executors: readonly string[]): Promise<{ executor: string; transactionalId: string }[]>;
  /** Gives the lease up: it is dead at once, what it still holds is free to be taken. */
  closeLease(executor: string): Promise<void>;
  /** All that are not dead: alive, or run out and to be marked. */
  leases(): Promise<LeaseState[]>;
}
