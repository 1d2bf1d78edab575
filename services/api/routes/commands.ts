/**
 * Commands as they stand on job.commands, many in one request: what the client and the CLI speak over HTTP. They mean the same
 * here as there, and are answered as on job.commands.acks.
 */
import { z } from 'zod';
import { BelfryError } from '../../core/errors.ts';
import type { CommandAnswer } from '../../core/read-resources.ts';
import { COMMAND_TYPES, REJECTION_CODES, type Ack, type CommandType, type Rejection } from '../../core/records.ts';
import { formatInstant } from '../../core/spec/instant.ts';
import { duration, listOf, record } from '../../core/spec/fields.ts';
import { headOf, parseCommand } from '../../core/spec/parse-command.ts';
import type { WireCommand } from '../../client/transport.ts';
import { MAX_BODY_BYTES } from '../body-budget.ts';
import { itemProblem } from '../item.ts';
import { clientFor, notPermitted, permits } from '../auth.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { answers, caller as callerResource, commandAnswers } from '../resources.ts';

const MOST = 1_000;
const LONGEST_WAIT_MS = 30_000;
const tags = ['commands'];

const SCOPES: Readonly<Record<CommandType, readonly ('run' | 'write')[]>> = {
  ...{ schedule: ['write'], cancel: ['write'], pause: ['write'], resume: ['write'] },
  ...{ trigger: ['run'], replay: ['run'], emit: ['run'], backfill: ['run'] },
};
/** Whoever may start runs may stop them. */
const SCOPES_OF_RUN_CANCEL = ['run', 'write'] as const;

const commandsBody = record('a request', {
  commands: listOf(
    z.unknown().meta({ description: 'A command, with its commandId; the tenant is the key’s.' }),
    'commands',
    { min: 1, max: MOST },
  ),
  wait: duration(0, LONGEST_WAIT_MS)
    .default(2_000)
    .meta({ description: 'How long to wait for timers to answer; then a command is answered as accepted.' }),
});

export function addCommands(api: Api, deps: ApiDeps): void {
  api.post(
    '/api/commands',
    {
      config: { scope: ['run', 'write'] },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        ...{ tags, operationId: 'sendCommands', summary: `Send up to ${MOST} commands; an answer for each, in order` },
        description: 'The same commandId sent again has one effect. What is refused stops no other.',
        body: commandsBody,
        response: answers({ 200: commandAnswers }),
      },
    },
    async (request) => {
      const { commands, wait } = request.body;
      deps.commandRate.take(request.caller, commands.length);
      const results = commands.map((command) => answerTo(deps, request.caller, command, wait));
      return { results: await Promise.all(results) };
    },
  );

  api.get(
    '/api/me',
    {
      config: { scope: ['read', 'run', 'write'] },
      schema: {
        ...{ tags: ['keys'], operationId: 'getCaller', summary: 'On whose behalf the key acts, and what it permits' },
        response: answers({ 200: callerResource }),
      },
    },
    async ({ caller: { tenant, scopes } }) => ({ tenant, scopes }),
  );
}

async function answerTo(deps: ApiDeps, caller: Caller, written: unknown, timeoutMs: number): Promise<CommandAnswer> {
  const { commandId = null, jobId = null } = headOf(written);
  const head = { commandId, tenant: caller.tenant, jobId, job: null, matched: null, occurrences: null };
  const rejection = refusal(deps, caller, written);
  if (rejection !== undefined) return { ...head, outcome: 'rejected', error: rejection };
  try {
    const command = { ...(written as WireCommand), tenant: caller.tenant };
    return answerOf(await clientFor(deps, caller).send(command, timeoutMs));
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    const { code, message, field } = error;
    const told = { code, message, ...(field !== undefined && { field }) };
    if (REJECTION_CODES.some((known) => known === code)) return { ...head, outcome: 'rejected', error: told };
    if (code === 'no_answer') return { ...head, outcome: 'accepted', error: null };
    if (error.retryable) return { ...head, outcome: 'failed', error: told };
    throw error;
  }
}

/** Why a command is not even sent. */
function refusal(
  { spec }: ApiDeps,
  caller: Caller,
  written: unknown,
): Rejection | { code: string; message: string } | undefined {
  const problem = itemProblem(written);
  if (problem !== undefined) return problem;
  const { tenant = caller.tenant, type, runId } = (written ?? {}) as Record<string, unknown>;
  if (tenant !== null && tenant !== caller.tenant)
    return { code: 'forbidden', message: `The key acts for the tenant ${caller.tenant} alone.` };
  const known = COMMAND_TYPES.find((each) => each === type);
  const scopes =
    known === undefined ? [] : known === 'cancel' && (runId ?? null) !== null ? SCOPES_OF_RUN_CANCEL : SCOPES[known];
  if (known !== undefined && !scopes.some((scope) => permits(caller, scope))) {
    const { code, message } = notPermitted(caller, scopes.join(' or '));
    return { code, message };
  }
  // Of users alone: what timers send each other is nobody else's to say.
  const parsed = parseCommand(written, spec);
  return 'rejection' in parsed ? parsed.rejection : undefined;
}

function answerOf({ type: _type, job, occurrences, ...ack }: Ack): CommandAnswer {
  return {
    ...ack,
    job: job && { ...job, nextFireAt: job.nextFireAt === null ? null : formatInstant(job.nextFireAt) },
    occurrences: occurrences?.map(formatInstant) ?? null,
  };
}
