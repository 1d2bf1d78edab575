/** The client's types: what handlers exist, and what each takes, is inferred from `typeof handlers`. */
import type { CustomJobInput, HttpJobInput, JobInput, KafkaJobInput } from '../core/spec/input.ts';
import type { JobState, Overlap } from '../core/model.ts';
import type { HandlerDefinition, Handlers } from '../executor/handlers/define.ts';
import type { StandardSchemaV1 } from '../executor/handlers/standard-schema.ts';

/** What a handler accepts as payload, before its schema has validated it. */
export type PayloadOf<H> =
  H extends HandlerDefinition<infer Schema>
    ? Schema extends StandardSchemaV1<infer Input, infer _Output>
      ? Input
      : unknown
    : unknown;

type TypedCustomJob<H extends Handlers> = {
  [Name in keyof H & string]: Omit<CustomJobInput, 'handler' | 'payload'> & {
    handler: Name;
    payload: PayloadOf<H[Name]>;
  };
}[keyof H & string];

/** A job whose handler's name and payload are checked by the compiler; any job where no handlers were given. */
export type TypedJob<H extends Handlers> = string extends keyof H
  ? JobInput
  : HttpJobInput | KafkaJobInput | TypedCustomJob<H>;

/** A `pg` client, or anything that queries like one. */
export type PgConnection = { query(text: string, values: unknown[]): Promise<unknown> };

export type CommandOptions = {
  tenant?: string;
  /** Yours, for safe repeats: the same id twice has one effect. Default: a random UUID. */
  commandId?: string;
  /** How long all of it may take, from connecting to the answer, ms. Default: 10,000. */
  timeoutMs?: number;
  /**
   * A connection to Belfry's database: the command is written in its open transaction, and applied within milliseconds of the
   * commit, or not at all. There is no answer then: `outcome` is `enqueued`, and what is refused later lands on job.commands.rejected.
   */
  pg?: PgConnection;
};
export type ScheduleOptions = CommandOptions & {
  ifExists?: 'replace' | 'keep' | 'reject';
  /** Compare-and-set on the job's version. */ ifVersion?: number;
};
export type TriggerOptions = CommandOptions & { payload?: unknown; overlap?: Overlap };
export type ReplayOptions = CommandOptions & { force?: boolean };

export type EmitOptions = Omit<CommandOptions, 'commandId'> & {
  /** Yours, for safe repeats: the same id twice is one event, for a day at least. Default: a random UUID. */
  eventId?: string;
};
export type BackfillOptions = Omit<CommandOptions, 'pg'> & {
  /** The first time that belongs to it, with an offset. */
  from: string | Date;
  /** The first time that does not any more. */
  to: string | Date;
  /** Only answers which occurrences would run. Default: false. */
  dryRun?: boolean;
  /** One after the other, or all at once. Default: `buffer_all`. */
  overlap?: 'buffer_all' | 'allow';
  /** It is refused when there are more: 1 to 1,000. Default: 1,000. */
  limit?: number;
};

/** What came of an event. */
export type EmitResult = {
  eventId: string;
  tenant: string;
  event: string;
  /** `duplicate`: an event of this id was emitted before; `enqueued`: it will be, once the transaction commits. */
  outcome: 'applied' | 'duplicate' | 'enqueued';
  /** How many jobs listen to it and let it pass; null where that is not known. */
  matched: number | null;
};

/** What a backfill runs, or would run. */
export type BackfillResult = CommandResult & { occurrences: Date[] };

/** The job as it is after an applied command. */
export type CommandResult = {
  commandId: string;
  tenant: string;
  jobId: string;
  /** `unchanged`: the job was so already; `duplicate`: this commandId was applied before; `enqueued`: it will be applied. */
  outcome: 'applied' | 'unchanged' | 'duplicate' | 'enqueued';
  state: JobState | null;
  version: number | null;
  nextFireAt: Date | null;
};
