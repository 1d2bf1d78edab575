/** Commands as requests: published like any other client's, answered with the job as it is when the command was applied. */
import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BelfryError } from '../core/errors.ts';
import type { InspectedJob } from '../core/ports/inspect.ts';
import { jobJson } from '../core/resources.ts';
import { COMMAND_ID } from '../core/spec/names.ts';
import type { BelfryClient } from '../client/client.ts';
import type { CommandOptions, CommandResult } from '../client/types.ts';
import { clientFor } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import { RequestError } from './problem.ts';

/** A client does not want to wait longer than this to learn that its command is durable. */
export const ANSWER_MS = 2_000;
/** The rest of a command id is for numbering the commands of a batch. */
const MAX_KEY_LENGTH = 120;

export type Commanded = {
  jobId: string;
  /** @param by acts for the caller */
  send: (by: BelfryClient, options: Required<Omit<CommandOptions, 'pg'>>) => Promise<CommandResult>;
  /** A job that it makes is answered with 201. */
  creates?: boolean;
};

/**
 * Sends a command and answers: 200 (201 where the job is new) with the job; 202 when no timer answered in time.
 * @throws RequestError, BelfryError as the client says
 */
export async function answerCommand(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { jobId, send, creates = false }: Commanded,
): Promise<unknown> {
  const { tenant } = request.caller;
  const by = clientFor(deps, request.caller);
  const commandId = commandIdOf(deps, request);
  const location = `/api/jobs/${encodeURIComponent(jobId)}`;
  reply.header('belfry-command-id', commandId);
  const result = await answeredInTime(send(by, { tenant, commandId, timeoutMs: ANSWER_MS }));
  if (result === undefined) {
    reply.code(202).header('location', location);
    return { status: 'accepted', commandId, jobId };
  }
  const job = await deps.inspect.job(tenant, jobId);
  if (job === undefined) throw new RequestError('unknown_job', `The job ${jobId} is gone.`);
  reply.header('belfry-outcome', result.outcome);
  if (creates && result.outcome === 'applied' && result.version === 1) reply.code(201).header('location', location);
  return jobAnswer(reply, job);
}

/** The job, with its version as ETag. */
export function jobAnswer(reply: FastifyReply, job: InspectedJob): object {
  reply.header('etag', `"${job.version}"`);
  return jobJson(job);
}

/**
 * The id of the command that a request makes: its `Idempotency-Key`, so that the same request sent again has one effect, or a new one.
 * A key that no header can carry back as it is becomes an id that is derived from it: the answer's `Belfry-Command-Id` is
 * always the cause of what the command made.
 */
export function commandIdOf({ ids }: Pick<ApiDeps, 'ids'>, request: FastifyRequest): string {
  const key = idempotencyKeyOf(request);
  if (key === undefined) return ids.uuid();
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(key) ? key : `key-${hash('sha256', key, 'hex')}`;
}

/** The header `Idempotency-Key`; quotes around it, as its draft has them, are no part of it. */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const written = headers['idempotency-key'];
  if (written === undefined) return undefined;
  const key = String(written).replace(/^"(.*)"$/, '$1');
  if (COMMAND_ID.holds(key) && key.length <= MAX_KEY_LENGTH) return key;
  const detail = `must be 1 to ${MAX_KEY_LENGTH} characters without control characters`;
  throw new RequestError('invalid', `Idempotency-Key ${detail}`, [{ header: 'Idempotency-Key', detail }]);
}

/** The id of a job without one: the same command sent again means the same job. */
export function jobIdOf(commandId: string): string {
  return `job-${hash('sha256', commandId, 'hex').slice(0, 32)}`;
}

/** Undefined: no timer answered, so the command is durable and will be applied. */
export async function answeredInTime<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof BelfryError && error.code === 'no_answer') return undefined;
    throw error;
  }
}
