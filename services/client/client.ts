import { BelfryError, messageOf } from '../core/errors.ts';
import type { TerminalStatus } from '../core/model.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack, Outcome } from '../core/records.ts';
import { jobKey, type Topics } from '../core/topics.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import { Acks } from './acks.ts';
import { Sender } from './sender.ts';
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

const ANSWER_TIMEOUT_MS = 10_000;
const DEFAULT_TENANT = 'default';
const DEFAULT_SCHEMA = 'belfry';
/** SQLSTATE of what the SQL function `enqueue` does not take. */
const REFUSED_BY_ENQUEUE = '22023';

export type ClientDeps = {
  broker: Broker;
  codec: Codec;
  clock: Clock;
  ids: Ids;
  log: Log;
  topics: Topics;
  /** For commands with `pg`; default: `belfry`. */ databaseSchema?: string;
};

/**
 * Sends commands and hears outcomes, over Kafka. Every command resolves when it was applied (which means: is durable), and
 * throws a BelfryError with the rejection's code (`invalid`, `conflict`, `unknown_job`, …, with `field`) when it was refused,
 * `no_answer` (retryable) when no timer answered in time, `broker_unavailable` (retryable) when Kafka is away.
 */
export class BelfryClient<H extends Handlers = Handlers> {
  private readonly deps: ClientDeps;
  private readonly acks: Acks;
  private readonly sender: Sender;
  private readonly tails = new Set<Tail>();

  constructor(deps: ClientDeps) {
    this.deps = deps;
    this.acks = new Acks({ ...deps, topic: deps.topics.acks });
    this.sender = new Sender(deps.broker);
  }

  /** Creates or replaces a job. The same schedule again keeps its phase: applications may do this at every start. */
  schedule(jobId: string, job: TypedJob<H>, options: ScheduleOptions = {}): Promise<CommandResult> {
    const { ifExists, ifVersion } = options;
    return this.command('schedule', jobId, options, { job, ifExists, ifVersion });
  }

  /**
   * Schedules many jobs at once; much faster than one by one.
   * @returns a result for each, in order; one that was refused does not stop the others
   */
  scheduleMany(
    jobs: readonly { jobId: string; job: TypedJob<H>; options?: ScheduleOptions }[],
  ): Promise<PromiseSettledResult<CommandResult>[]> {
    return Promise.allSettled(jobs.map(({ jobId, job, options }) => this.schedule(jobId, job, options)));
  }

  /** No further occurrence; decided runs that have not started end CANCELLED, running ones get their signal. */
  cancel(jobId: string, options: CommandOptions = {}): Promise<CommandResult> {
    return this.command('cancel', jobId, options, {});
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
    const eventId = options.eventId ?? this.deps.ids.uuid();
    const commandId = this.deps.ids.uuid();
    const fields = { event, eventId, payload };
    const ack = await this.exchange('emit', event, { ...options, commandId }, fields);
    const tenant = options.tenant ?? DEFAULT_TENANT;
    const outcome = ack === undefined ? 'enqueued' : (ack.outcome as EmitResult['outcome']);
    return { eventId, tenant, event, outcome, matched: ack?.matched ?? null };
  }

  /**
   * Runs the occurrences of a recurring job (`cron`, `every`) in `[from, to)` that passed and had no run: skipped ones, and those
   * before the job was made. They are marked `backfill`.
   */
  async backfill(jobId: string, options: BackfillOptions): Promise<BackfillResult> {
    const { from, to, dryRun, overlap, limit } = options;
    const fields = { from: timeText(from), to: timeText(to), dryRun, overlap, limit };
    const { commandId = this.deps.ids.uuid() } = options;
    const ack = await this.ask('backfill', jobId, { ...options, commandId }, fields);
    const occurrences = (ack.occurrences ?? []).map((at) => new Date(at));
    return { ...resultOf(ack), occurrences };
  }

  /**
   * Hears terminal outcomes from now on; repeats are possible and have the same `eventId`. To hear those of times when this
   * process was down, read `job.completed` with a consumer group of your own.
   * @returns stops listening
   */
  async onOutcome(
    fn: (outcome: Outcome) => void,
    options: { statuses?: readonly TerminalStatus[]; tenant?: string; jobId?: string } = {},
  ): Promise<() => Promise<void>> {
    const { broker, codec, log, topics } = this.deps;
    const wanted = (outcome: Outcome): boolean =>
      (options.statuses === undefined || options.statuses.includes(outcome.status)) &&
      (options.tenant === undefined || options.tenant === outcome.tenant) &&
      (options.jobId === undefined || options.jobId === outcome.jobId);
    let last: Promise<void> = Promise.resolve();
    const hear = async (value: Buffer): Promise<void> => {
      try {
        const outcome = await codec.decodeOutcome(value);
        if (wanted(outcome)) fn(outcome);
      } catch (error) {
        log.error({ err: error }, 'an outcome could not be handed to its listener');
      }
    };
    const tail = await broker.tail({
      topics: [topics.completed],
      from: 'end',
      isolation: 'read_committed',
      onRecord: ({ value }) => {
        if (value !== null) last = last.then(() => hear(value)); // one after the other, in the order of the topic
      },
    });
    this.tails.add(tail);
    return async () => {
      this.tails.delete(tail);
      await tail.close();
    };
  }

  /** Hears runs that completed. */
  onCompleted(fn: (outcome: Outcome) => void): Promise<() => Promise<void>> {
    return this.onOutcome(fn, { statuses: ['COMPLETED'] });
  }

  /** Disconnects. Commands still waiting for their answer reject with `closed`. */
  async close(): Promise<void> {
    await Promise.all([...this.tails].map((tail) => tail.close()));
    await this.acks.close();
    await this.sender.close();
    await this.deps.broker.close();
  }

  private async command(type: string, jobId: string, options: CommandOptions, fields: object): Promise<CommandResult> {
    const { commandId = this.deps.ids.uuid(), tenant = DEFAULT_TENANT } = options;
    const ack = await this.exchange(type, jobId, { ...options, commandId }, fields);
    return ack === undefined ? enqueuedAs({ commandId, tenant, jobId }) : resultOf(ack);
  }

  /**
   * Sends a command, in a transaction where there is one.
   * @param jobId of an emit: the event's name
   * @returns the answer to a command that was not refused; undefined: it is enqueued
   */
  private async exchange(
    type: string,
    jobId: string,
    options: CommandOptions & { commandId: string },
    fields: object,
  ): Promise<Ack | undefined> {
    const { pg } = options;
    if (pg === undefined) return this.ask(type, jobId, options, fields);
    const { tenant = DEFAULT_TENANT } = options;
    await this.enqueue(pg, commandOf(type, jobId, options, fields), { tenant, jobId });
    return undefined;
  }

  /** Sends a command over Kafka and waits for its answer. */
  private async ask(
    type: string,
    jobId: string,
    options: CommandOptions & { commandId: string },
    fields: object,
  ): Promise<Ack> {
    const { commandId, tenant = DEFAULT_TENANT } = options;
    const command = { ...commandOf(type, jobId, options, fields), ack: true };
    const record = await this.recordOf(tenant, jobId, command);
    await this.acks.open();
    const { answer, forget } = this.acks.wait({ tenant, jobId, commandId }, options.timeoutMs ?? ANSWER_TIMEOUT_MS);
    answer.catch(() => undefined); // heard below; not unhandled when sending fails first
    try {
      await this.sender.send(record);
    } catch (error) {
      forget();
      throw error;
    }
    return accepted(await answer);
  }

  private async enqueue(
    pg: PgConnection,
    command: object,
    { tenant, jobId }: { tenant: string; jobId: string },
  ): Promise<void> {
    try {
      await pg.query(`SELECT ${this.deps.databaseSchema ?? DEFAULT_SCHEMA}.enqueue($1)`, [JSON.stringify(command)]);
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== REFUSED_BY_ENQUEUE) throw cause;
      throw new BelfryError('invalid', messageOf(cause).replace(/^belfry: /, ''), { cause, ids: { tenant, jobId } });
    }
  }

  private async recordOf(
    tenant: string,
    jobId: string,
    command: object,
  ): Promise<{ topic: string; partition: number; key: Buffer; value: Buffer; headers: Record<string, string> }> {
    const { broker, codec, topics } = this.deps;
    const partitions = await broker.partitions(topics.commands);
    if (partitions === undefined) {
      throw new BelfryError(
        'not_migrated',
        `The topic ${topics.commands} does not exist: run "belfry migrate", or check KAFKA_BROKERS and BELFRY_TOPIC_PREFIX.`,
      );
    }
    const key = jobKey(tenant, jobId);
    return {
      topic: topics.commands,
      partition: partitionOf(key, partitions),
      key: Buffer.from(key),
      value: codec.encodeCommand(command),
      headers: {},
    };
  }
}

/** An emit has no job: its place is that of its event, which is among its fields. */
function commandOf(type: string, jobId: string, options: CommandOptions, fields: object): object {
  const { commandId, tenant = DEFAULT_TENANT } = options;
  return { type, commandId, tenant, ...(type === 'emit' ? {} : { jobId }), ...withoutUndefined(fields) };
}

/** @throws BelfryError: the rejection */
function accepted(ack: Ack): Ack {
  const { commandId, tenant, jobId, outcome, error } = ack;
  if (outcome !== 'rejected') return ack;
  throw new BelfryError(error?.code ?? 'rejected', error?.message ?? 'The command was refused.', {
    field: error?.field,
    ids: { commandId, tenant, jobId },
  });
}

function enqueuedAs(ids: { commandId: string; tenant: string; jobId: string }): CommandResult {
  return { ...ids, outcome: 'enqueued', state: null, version: null, nextFireAt: null };
}

function timeText(time: string | Date): string {
  return typeof time === 'string' ? time : time.toISOString();
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
