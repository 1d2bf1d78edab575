import { actorHeader, type Actor } from '../core/audit.ts';
import { scopeHeader } from '../core/command-scope.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import { formatInstant, isInstant } from '../core/spec/instant.ts';
import type { Ids } from '../core/ports/clock.ts';
import type { Ack, Outcome } from '../core/records.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import { COMMANDS_AT_ONCE, inWindow } from './in-window.ts';
import type { OutcomeFilter, Transport, WireCommand } from './transport.ts';
import type {
  BackfillOptions,
  BackfillResult,
  CommandOptions,
  CommandResult,
  EmitOptions,
  EmitResult,
  PgConnection,
  ReplayOptions,
  ScheduleOptions,
  TriggerOptions,
  TypedJob,
} from './types.ts';

/** More than a command waits for jobs that it runs after. */
const ANSWER_TIMEOUT_MS = 15_000;
const DEFAULT_SCHEMA = 'belfry';
/** SQLSTATE of what the SQL function `enqueue` does not take. */
const REFUSED_BY_ENQUEUE = '22023';

export type ClientDeps = {
  transport: Transport;
  ids: Ids;
  /** For commands with `pg`; default: `belfry`. */ databaseSchema?: string | undefined;
  /** Of every command that goes over Kafka. */ headers?: Readonly<Record<string, string>>;
};

/**
 * Sends commands and hears outcomes, over Kafka or over HTTP. Every command resolves when it was applied (which means: is durable),
 * and throws a BelfryError with the rejection's code (`invalid`, `conflict`, `unknown_job`, …, with `field`) when it was refused,
 * `no_answer` (retryable) when it is durable but no timer answered in time (it may have been applied), `broker_unavailable` or
 * `api_unavailable` (retryable) when Kafka or the API is away (the message says whether it may have been applied), over HTTP
 * `unauthorized` or `forbidden` when the key does not permit it. `timeoutMs` bounds the whole of a command, connecting included.
 */
export class BelfryClient<H extends Handlers = Handlers> {
  private readonly transport: Transport;
  private readonly ids: Ids;
  private readonly databaseSchema: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor({ transport, ids, databaseSchema = DEFAULT_SCHEMA, headers = {} }: ClientDeps) {
    this.transport = transport;
    this.ids = ids;
    this.databaseSchema = databaseSchema;
    this.headers = headers;
  }

  /**
   * The same client, whose commands say on whose behalf they come: for programs that pass on what others ask.
   * @param isRunOnly they may run jobs, not change what these do
   */
  actingFor(actor: Actor, isRunOnly = false): BelfryClient<H> {
    const { transport, ids, databaseSchema } = this;
    const headers = { ...actorHeader(actor), ...scopeHeader(isRunOnly) };
    return new BelfryClient<H>({ transport, ids, databaseSchema, headers });
  }

  /** Creates or replaces a job. The same schedule again keeps its phase: applications may do this at every start. */
  schedule(jobId: string, job: TypedJob<H>, options: ScheduleOptions = {}): Promise<CommandResult> {
    const { ifExists, ifVersion } = options;
    return this.command('schedule', jobId, options, { job, ifExists, ifVersion });
  }

  /**
   * Schedules many jobs; much faster than one by one. A bounded number is under way at a time, and the `timeoutMs` of each counts
   * from when it is sent.
   * @returns a result for each, in order; one that was refused does not stop the others
   */
  scheduleMany(
    jobs: readonly { jobId: string; job: TypedJob<H>; options?: ScheduleOptions }[],
  ): Promise<PromiseSettledResult<CommandResult>[]> {
    return inWindow(jobs, COMMANDS_AT_ONCE, ({ jobId, job, options }) => this.schedule(jobId, job, options));
  }

  /** No further occurrence; decided runs that have not started end CANCELLED, running ones get their signal. */
  cancel(jobId: string, options: CommandOptions = {}): Promise<CommandResult> {
    return this.command('cancel', jobId, options, {});
  }

  /** Cancels one run of a job: one that has not started ends CANCELLED, a running one gets its signal. Others go on. */
  cancelRun(jobId: string, runId: string, options: CommandOptions = {}): Promise<CommandResult> {
    return this.command('cancel', jobId, options, { runId });
  }

  pause(jobId: string, options: CommandOptions = {}): Promise<CommandResult> {
    return this.command('pause', jobId, options, {});
  }

  resume(jobId: string, options: CommandOptions = {}): Promise<CommandResult> {
    return this.command('resume', jobId, options, {});
  }

  /** Runs the job now, besides its schedule. */
  trigger(jobId: string, options: TriggerOptions = {}): Promise<CommandResult> {
    const { payload, overlap } = options;
    return this.command('trigger', jobId, options, { payload, overlap });
  }

  /** Runs a dead run again, with the idempotency key of the first one. */
  replay(jobId: string, runId: string, options: ReplayOptions = {}): Promise<CommandResult> {
    return this.command('replay', jobId, options, { runId, force: options.force });
  }

  /**
   * Tells of an event: every job with `schedule: { on: event }` whose filter lets it pass runs once. A job whose schedule was
   * answered before is certain to be asked.
   * @param payload any JSON of at most 256 KiB, which handlers get as `ctx.event.payload`
   */
  async emit(event: string, payload: unknown = null, options: EmitOptions = {}): Promise<EmitResult> {
    const { eventId = this.ids.uuid(), tenant = this.transport.tenant } = options;
    const command = { type: 'emit', commandId: this.ids.uuid(), tenant, event, eventId, payload };
    const ack = await this.exchange(command, options);
    const outcome = ack === undefined ? 'enqueued' : (ack.outcome as EmitResult['outcome']);
    return { eventId, tenant: ack?.tenant ?? tenant ?? '', event, outcome, matched: ack?.matched ?? null };
  }

  /**
   * Runs the occurrences of a recurring job (`cron`, `every`) in `[from, to)` that passed and had no run: skipped ones, and those
   * before the job was made. They are marked `backfill`.
   */
  async backfill(jobId: string, options: BackfillOptions): Promise<BackfillResult> {
    const { from, to, dryRun, overlap, limit } = options;
    const fields = { from: timeText(from), to: timeText(to), dryRun, overlap, limit };
    const { commandId = this.ids.uuid(), tenant = this.transport.tenant, timeoutMs } = options;
    const ack = await this.send({ type: 'backfill', commandId, tenant, jobId, ...withoutUndefined(fields) }, timeoutMs);
    const occurrences = (ack.occurrences ?? []).map((at) => new Date(at));
    return { ...resultOf(ack), occurrences };
  }

  /**
   * Hears terminal outcomes from now on; repeats are possible and have the same `eventId`. To hear those of times when this
   * process was down, read `job.completed` with a consumer group of your own. Over HTTP they are those of the key's tenant, and a
   * lost connection is taken up again where it ended.
   * @returns stops listening
   */
  onOutcome(fn: (outcome: Outcome) => void, options: OutcomeFilter = {}): Promise<() => Promise<void>> {
    return this.transport.onOutcome(fn, options);
  }

  /** Hears runs that completed. */
  onCompleted(fn: (outcome: Outcome) => void): Promise<() => Promise<void>> {
    return this.onOutcome(fn, { statuses: ['COMPLETED'] });
  }

  /** Disconnects all, whatever fails. Commands still waiting for their answer reject with `closed`. */
  close(): Promise<void> {
    return this.transport.close();
  }

  /**
   * Sends a command as it stands on job.commands, for programs that pass commands on.
   * @param timeoutMs how long to wait for the answer, ms
   * @returns the answer to a command that was not refused
   */
  async send(command: WireCommand, timeoutMs = ANSWER_TIMEOUT_MS): Promise<Ack> {
    return accepted(await this.transport.send(command, timeoutMs, this.headers));
  }

  private async command(type: string, jobId: string, options: CommandOptions, fields: object): Promise<CommandResult> {
    const { commandId = this.ids.uuid(), tenant = this.transport.tenant } = options;
    const ack = await this.exchange({ type, commandId, tenant, jobId, ...withoutUndefined(fields) }, options);
    return ack === undefined ? enqueuedAs({ commandId, tenant: tenant ?? '', jobId }) : resultOf(ack);
  }

  /**
   * Sends a command, in a transaction where there is one.
   * @returns the answer to a command that was not refused; undefined: it is enqueued
   */
  private async exchange(command: WireCommand, { pg, timeoutMs }: CommandOptions): Promise<Ack | undefined> {
    if (pg === undefined) return this.send(command, timeoutMs);
    await this.enqueue(pg, command);
    return undefined;
  }

  private async enqueue(pg: PgConnection, command: WireCommand): Promise<void> {
    const { tenant, jobId } = command;
    if (tenant === undefined) {
      const message =
        'Name the tenant: a command with pg goes to the database itself, which does not know the API key.';
      throw new BelfryError('invalid', message, { field: 'tenant' });
    }
    try {
      await pg.query(`SELECT ${this.databaseSchema}.enqueue($1)`, [JSON.stringify(command)]);
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== REFUSED_BY_ENQUEUE) throw cause;
      throw new BelfryError('invalid', messageOf(cause).replace(/^belfry: /, ''), {
        cause,
        ids: { tenant, ...(jobId !== undefined && { jobId }) },
      });
    }
  }
}

/** @throws BelfryError: the rejection */
function accepted(ack: Ack): Ack {
  const { commandId, tenant, jobId, outcome, error } = ack;
  if (outcome !== 'rejected') return ack;
  throw new BelfryError(error?.code ?? 'invalid', error?.message ?? 'The command was refused.', {
    field: error?.field,
    ids: { commandId, tenant, jobId },
  });
}

function enqueuedAs(ids: { commandId: string; tenant: string; jobId: string }): CommandResult {
  return { ...ids, outcome: 'enqueued', state: null, version: null, nextFireAt: null };
}

/** @throws BelfryError `invalid` for a Date that is none; text is the timer's to judge */
function timeText(time: string | Date): string {
  if (typeof time === 'string') return time;
  if (isInstant(time.getTime())) return formatInstant(time.getTime());
  throw new BelfryError('invalid', `${String(time)} is no time between the years 1970 and 9999.`);
}

function resultOf({ commandId, tenant, jobId, outcome, job }: Ack): CommandResult {
  const next = job?.nextFireAt ?? null;
  return {
    commandId,
    tenant,
    jobId,
    outcome: outcome as CommandResult['outcome'],
    state: (job?.state ?? null) as CommandResult['state'],
    version: job?.version ?? null,
    nextFireAt: next === null ? null : new Date(next),
  };
}

function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
