/** From the value of a command record to a `Command`: nothing is thrown, whatever comes. */
import { z } from 'zod';
import type { Command } from '../command.ts';
import { OVERLAPS, type JobSpec } from '../model.ts';
import { isOwnName } from '../own-names.ts';
import { COMMAND_TYPES, type CommandType, type Rejection } from '../records.ts';
import { flag, instant, name, record, whole, withoutNulls, word } from './fields.ts';
import { jobSchema, storedJobSchema } from './job-schema.ts';
import { COMMAND_ID, EVENT, EVENT_ID, JOB_ID, RUN_ID, TENANT } from './names.ts';
import type { SpecOptions } from './options.ts';
import { checkPayload, checkPayloadLimits } from './payload.ts';
import { invalid, rejectionOf } from './problems.ts';

const DEFAULT_TENANT = 'default';

const head = <T extends CommandType | 'upstream' | 'retire'>(type: T) => ({
  type: z.literal(type),
  commandId: name(COMMAND_ID),
  tenant: name(TENANT).default(DEFAULT_TENANT),
  jobId: name(JOB_ID),
  ack: flag.default(false),
});

const scheduleCommand = record('a schedule command', {
  ...head('schedule'),
  ifExists: word(['replace', 'keep', 'reject']).default('replace'),
  ifVersion: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  job: jobSchema,
});

const triggerCommand = record('a trigger command', {
  ...head('trigger'),
  payload: z.unknown().optional(),
  overlap: word(OVERLAPS).optional(),
});

const runId = name({ ...RUN_ID, holds: (text) => RUN_ID.holds(text.toLowerCase()) }).toLowerCase();

const replayCommand = record('a replay command', {
  ...head('replay'),
  runId,
  force: flag.default(false),
});

const { jobId: _jobId, ...emitHead } = head('emit');
const emitCommand = record('an emit command', {
  ...emitHead,
  // Avro has it in every command; it says what `event` says.
  jobId: name(EVENT).optional(),
  event: name(EVENT),
  eventId: name(EVENT_ID).optional(),
  payload: z.unknown().optional(),
});

export const MAX_BACKFILL = 1_000;

/** What a backfill says besides its head. */
export const backfillFields = {
  from: instant,
  to: instant,
  dryRun: flag.default(false),
  overlap: word(['buffer_all', 'allow']).default('buffer_all'),
  limit: whole(1, MAX_BACKFILL).default(MAX_BACKFILL),
};

/** The schema of each type of command. */
export const commandSchemas = {
  schedule: scheduleCommand,
  /** Of the job; with a runId, of that run alone. */
  cancel: record('a cancel command', { ...head('cancel'), runId: runId.optional() }),
  pause: record('a pause command', head('pause')),
  resume: record('a resume command', head('resume')),
  trigger: triggerCommand,
  replay: replayCommand,
  emit: emitCommand,
  backfill: record('a backfill command', { ...head('backfill'), ...backfillFields }),
};

/** Belfry's own, which no user sends. Fields that a newer release wrote are let pass. */
const ownCommands = {
  /** From one timer to another. */
  upstream: z.looseObject({ ...head('upstream'), upstream: name(JOB_ID), runId: name(RUN_ID) }),
  /** The webhook of the job is gone. */
  retire: z.looseObject(head('retire')).transform((command) => ({ ...command, type: 'cancel' as const })),
};

/**
 * As `parseCommand`, for what stands on job.commands: Belfry's own commands, too.
 * @returns the command, or why it is refused
 */
export function parseRecord(value: unknown, options: SpecOptions): Command | { rejection: Rejection } {
  const type = isObject(value) ? value.type : undefined;
  if (type !== 'upstream' && type !== 'retire') return parseCommand(value, options);
  const written = withoutNulls(value);
  const { data, error } = ownCommands[type].safeParse(written);
  return data ?? { rejection: rejectionOf(error, written, 'a command') };
}

/**
 * Validates a command of a user, which has one of COMMAND_TYPES, and fills in its defaults.
 * @param value the decoded record; null means absent everywhere but in payloads.
 * @returns the command, or why it is refused.
 */
export function parseCommand(value: unknown, options: SpecOptions): Command | { rejection: Rejection } {
  if (!isObject(value)) return { rejection: invalid([], 'must be an object') };
  const written = withoutNulls(value) as Record<string, unknown>;
  const type = COMMAND_TYPES.find((known) => known === written.type);
  if (type === undefined) return { rejection: badType(written.type) };
  // The one null that says something: "run it with null", where an absent payload is "run it with the job's own".
  if (type === 'trigger' && value.payload === null) written.payload = null;
  const { data, error } = commandSchemas[type].safeParse(written);
  if (error !== undefined) return { rejection: rejectionOf(error, written, 'a command') };
  if (data.type === 'emit' && (data.jobId ?? data.event) !== data.event)
    return { rejection: invalid(['jobId'], "is not the event's name; leave it out") };
  const command = commandOf(data);
  const rejection = selfRejection(command) ?? payloadRejection(command, options);
  return rejection === undefined ? command : { rejection };
}

/**
 * Validates a job by itself, as the API, the CLI and the client take it; fields in the rejection begin at the job.
 * @param value what the user wrote; null means absent everywhere but in the payload.
 * @returns the job with every default filled in, or why it is refused.
 */
export function parseJobSpec(value: unknown, options: SpecOptions): JobSpec | { rejection: Rejection } {
  const written = withoutNulls(value);
  const { data: spec, error } = jobSchema.safeParse(written);
  if (error !== undefined) return { rejection: rejectionOf(error, written, 'a job') };
  const rejection = checkPayload(spec.type, spec.payload, options, ['payload']);
  return rejection === undefined ? spec : { rejection };
}

/** As `parseJobSpec`, for a job that was accepted before: what can be read of it is not judged again by what holds now. */
export function readJobSpec(value: unknown): JobSpec | { rejection: Rejection } {
  const written = withoutNulls(value);
  const { data, error } = storedJobSchema.safeParse(written);
  return data ?? { rejection: rejectionOf(error, written, 'a job') };
}

/** The ids of a command that may be invalid otherwise, each only if it is valid itself. */
export type CommandHead = { type?: string; commandId?: string; tenant?: string; jobId?: string; ack?: boolean };

/** What can be told about an invalid command, so that its rejection can be acknowledged. */
export function headOf(value: unknown): CommandHead {
  if (!isObject(value)) return {};
  const { type, commandId, tenant, ack, ...place } = withoutNulls(value, 1) as Record<string, unknown>;
  const jobId = place.event ?? place.jobId;
  const result: CommandHead = {};
  const known = COMMAND_TYPES.find((each) => each === type);
  if (known !== undefined) result.type = known;
  if (typeof commandId === 'string' && COMMAND_ID.holds(commandId)) result.commandId = commandId;
  if (tenant === undefined) result.tenant = DEFAULT_TENANT;
  else if (typeof tenant === 'string' && TENANT.holds(tenant)) result.tenant = tenant;
  if (typeof jobId === 'string' && JOB_ID.holds(jobId)) result.jobId = jobId;
  if (typeof ack === 'boolean') result.ack = ack;
  return result;
}

type Validated = z.output<(typeof commandSchemas)[CommandType]>;

function commandOf(written: Validated): Command {
  if (written.type === 'schedule') return { ...written, ifVersion: written.ifVersion ?? null };
  if (written.type === 'trigger') {
    const { payload, overlap, ...rest } = written;
    return { ...rest, hasPayload: payload !== undefined, payload: payload ?? null, overlap: overlap ?? null };
  }
  if (written.type === 'emit') {
    const { event, eventId = written.commandId, payload = null, jobId: _jobId, ...rest } = written;
    return { ...rest, jobId: event, eventId, payload };
  }
  if (written.type === 'cancel') {
    const { runId, ...rest } = written;
    return runId === undefined ? rest : { ...rest, type: 'cancelRun', runId };
  }
  return written;
}

/** Only here is the job's own id known. */
function selfRejection(command: Command): Rejection | undefined {
  // A delivery that failed may be sent again: nobody is silenced by that, and nothing is forged.
  if (isOwnName(command.jobId) && command.type !== 'replay')
    return invalid([command.type === 'emit' ? 'event' : 'jobId'], "begins with belfry., which is for Belfry's own");
  if (command.type !== 'schedule' || command.job.schedule.kind !== 'after') return undefined;
  const index = command.job.schedule.after.findIndex(({ jobId }) => jobId === command.jobId);
  const path = ['job', 'schedule', 'after', index, 'job'];
  return index < 0 ? undefined : invalid(path, 'is the job itself; a job cannot run after itself');
}

function payloadRejection(command: Command, options: SpecOptions): Rejection | undefined {
  if (command.type === 'schedule')
    return checkPayload(command.job.type, command.job.payload, options, ['job', 'payload']);
  return command.type === 'trigger' || command.type === 'emit'
    ? checkPayloadLimits(command.payload, ['payload'])
    : undefined;
}

function badType(type: unknown): Rejection {
  const { error } = word(COMMAND_TYPES).safeParse(type);
  return rejectionOf(error!, type, 'a command', ['type']);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
