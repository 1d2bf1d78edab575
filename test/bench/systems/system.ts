/** What the bench asks of every system that it measures; an adapter for each is a file of this folder. */

/** Jobs that do nothing, each due at its own time. */
export type Load = {
  count: number;
  /** Unix time in ms of the first. */
  firstAt: number;
  /** Spread evenly; undefined: all due at `firstAt`. */
  perSecond?: number;
};

export type Process = { name: string; pid: number };

export interface System {
  /** Starts servers of its own and everything that it needs to schedule and to run jobs; resolves when it is ready. */
  start(): Promise<void>;
  /** Schedules in bulk. @returns when all are durable */
  enqueue(load: Load): Promise<void>;
  /**
   * Schedules jobs for tomorrow one by one, at an even rate.
   * @returns how long each took until it was durable, in ms
   */
  accept(count: number, perSecond: number): Promise<number[]>;
  /**
   * Waits until so many jobs have completed since the start, durably.
   * @returns how many have by then, fewer than asked for after `timeoutMs`
   */
  completed(count: number, timeoutMs: number): Promise<number>;
  /** Start minus due of every job that started since the last call, in ms. */
  lateness(): Promise<number[]>;
  /** All that runs for it but the bench itself; the children of a process count as it. */
  processes(): readonly Process[];
  /** Of its PostgreSQL, where it has one. */
  readonly databaseUrl: string | undefined;
  /** Ends all that was started, and removes its data. */
  stop(): Promise<void>;
}

/** A system with one choice of settings. */
export type Candidate = {
  /** "belfry", "bullmq". */
  system: string;
  /** "best", "default", or what differs. */
  variant: string;
  /** For people: the settings, one line. */
  settings: string;
  /** Keeps its jobs in PostgreSQL. */
  onPostgres?: boolean;
  /** Workloads that it takes part in; undefined: all that are for every system. */
  workloads?: readonly string[];
  /** @param env of its services, where the workload needs others than the defaults */
  open(env?: Readonly<Record<string, string>>): System;
};

/** The due time of the n-th job of a load. */
export function dueAt({ firstAt, perSecond }: Load, index: number): number {
  return perSecond === undefined ? firstAt : firstAt + Math.floor((index * 1_000) / perSecond);
}
