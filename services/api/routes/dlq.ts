/** Runs that gave up: look, run again, or settle. */
import type { z } from 'zod';
import type { DeadRunSummary } from '../../core/ports/inspect.ts';
import { deadRunJson } from '../../core/resources.ts';
import { runIdOf } from '../../core/run-id.ts';
import { flag, listOf, name, record } from '../../core/spec/fields.ts';
import { LABEL_VALUE, RUN_ID } from '../../core/spec/names.ts';
import { bulkFields, lookFirst, runBulk, type Bulk } from '../bulk.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { deadFilterBody, deadQuery, firstPage } from '../query.ts';
import { answers, deadRun, discardResult, pageOf, replayResult } from '../resources.ts';

const tags = ['dlq'];
const MOST_NAMED = 1_000;

const choice = {
  runIds: listOf(name(RUN_ID), 'run ids', { min: 1, max: MOST_NAMED })
    .optional()
    .meta({ description: 'These runs; or else a filter. They need no dry run.' }),
  filter: deadFilterBody.optional(),
  ...bulkFields,
};
const replayBody = record('a replay', { ...choice, force: flag.default(false) });
const discardBody = record('a discard', { ...choice, note: name(LABEL_VALUE).default('') });
type Choice = z.output<typeof replayBody> | z.output<typeof discardBody>;

export function addDlq(api: Api, deps: ApiDeps): void {
  const { inspect, client } = deps;

  api.get(
    '/api/dlq',
    {
      config: { scope: 'read' },
      schema: {
        ...{
          tags,
          operationId: 'listDead',
          summary: 'List runs that gave up and that nothing has settled, the latest first',
        },
        querystring: deadQuery,
        response: answers({ 200: pageOf('runs', deadRun) }),
      },
    },
    async (request) => {
      const { limit, cursor: before, ...filter } = request.query;
      const { tenant } = request.caller;
      const found = await inspect.deadRuns({ ...filter, tenant, before }, limit + 1);
      const { page, nextCursor } = firstPage(found, limit, ({ runId }) => runId);
      return { runs: page.map(deadRunJson), nextCursor };
    },
  );

  api.post(
    '/api/dlq/replay',
    {
      config: { scope: 'run' },
      schema: {
        ...{ tags, operationId: 'replayDead', summary: 'Run dead runs again, with their idempotency keys' },
        description:
          'Runs by name, or by a filter: first a dry run, then `dryRun: false` with its number as `expected`.',
        body: replayBody,
        response: answers({ 200: replayResult }),
      },
    },
    async (request) => {
      const { tenant, actor } = request.caller;
      const { force } = request.body;
      const by = client.actingFor(actor);
      const replays: { runId: string; jobId: string; replay: string }[] = [];
      const result = await runBulk(
        chosen(request.body),
        (limit) => find(deps, request.caller, request.body, limit),
        ({ runId }) => runId,
        async ({ runId, jobId, scheduledFor }) => {
          const commandId = deps.ids.uuid();
          await by.replay(jobId, runId, { tenant, commandId, force });
          replays.push({
            runId,
            jobId,
            replay: runIdOf({ tenant, jobId, trigger: 'replay', cause: commandId, scheduledFor }),
          });
        },
      );
      return { ...result, replays };
    },
  );

  api.post(
    '/api/dlq/discard',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, operationId: 'discardDead', summary: 'Take dead runs off the list without running them again' },
        description: 'Chosen as for a replay.',
        body: discardBody,
        response: answers({ 200: discardResult }),
      },
    },
    async (request) => {
      const { note } = request.body;
      const { items, result } = await lookFirst(
        chosen(request.body),
        (limit) => find(deps, request.caller, request.body, limit),
        ({ runId }) => runId,
      );
      if (result.dryRun || items.length === 0) return { ...result, discarded: [] };
      const runIds = items.map(({ runId }) => runId);
      const discarded = await inspect.discard(runIds, note, request.caller.actor);
      return { ...result, done: runIds.length, discarded };
    },
  );
}

/** Runs that are named are meant: no look is needed first. */
function chosen({ runIds, dryRun, expected }: Choice): Bulk {
  return runIds === undefined ? { dryRun, expected } : { dryRun: false, expected: runIds.length };
}

/** The runs that are named, or else those that the filter leaves over. @throws RequestError `unknown_run`, `invalid` */
async function find(
  { inspect }: ApiDeps,
  { tenant }: Caller,
  choice: Choice,
  limit: number,
): Promise<DeadRunSummary[]> {
  const { runIds, filter } = choice;
  if ((runIds === undefined) === (filter === undefined)) {
    throw new RequestError('invalid', 'Name either runIds or a filter (an empty one finds all).', [
      { pointer: '#', detail: 'needs exactly one of runIds and filter' },
    ]);
  }
  // Deliveries of webhooks are meant where they are named.
  const own = filter?.jobId !== undefined;
  if (runIds === undefined) return inspect.deadRuns({ ...filter, tenant, own }, limit);
  const found = await inspect.deadRuns({ tenant, runIds, resolved: true }, runIds.length);
  const known = new Map(found.map((run) => [run.runId, run]));
  return [...new Set(runIds)].map((runId) => {
    const run = known.get(runId);
    if (run === undefined) throw new RequestError('unknown_run', `There is no dead run ${runId}.`);
    return run;
  });
}
