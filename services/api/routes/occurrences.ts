/** When a job ran and will run, and why it did not. */
import { explain } from '../../client/why.ts';
import { listOccurrences } from '../../core/occurrences/listed.ts';
import { occurrenceJson, whyJson } from '../../core/resources.ts';
import { firstRunId } from '../../core/run-id.ts';
import { instant, name, record } from '../../core/spec/fields.ts';
import { MAX_INSTANT_MS } from '../../core/spec/instant.ts';
import { RUN_ID } from '../../core/spec/names.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { count, jobIdParams } from '../query.ts';
import { answers, listedOccurrence, pageOf, why } from '../resources.ts';
import { jobOf } from './jobs.ts';

const MOST = 1_000;

const tags = ['jobs'];
const occurrencesQuery = record('the query', {
  from: instant.optional(),
  to: instant.optional(),
  cursor: name(RUN_ID).optional(),
  limit: count(MOST, 10),
});

export function addOccurrences(api: Api, deps: ApiDeps): void {
  const { inspect, clock, topics, rejections } = deps;

  api.get(
    '/api/jobs/:id/occurrences',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listOccurrences', summary: 'When a job ran and is to run, the earliest first' },
        description: 'From now on unless `from` says otherwise. Runs by trigger and replay are no occurrences.',
        params: jobIdParams,
        querystring: occurrencesQuery,
        response: answers({ 200: pageOf('occurrences', listedOccurrence) }),
      },
    },
    async (request) => {
      const job = await jobOf(deps, request);
      const { from = Math.ceil(clock.now()), to = MAX_INSTANT_MS, cursor, limit } = request.query;
      const after = cursor ?? firstRunId(from);
      const [rows, group] = await Promise.all([
        inspect.occurred(job, after, to, limit + 1),
        inspect.skippedGroup(job, from),
      ]);
      const { occurrences, more } = listOccurrences(job, rows, group === undefined ? [] : [group], {
        after,
        to,
        limit,
      });
      const nextCursor = more ? (occurrences.at(-1)?.runId ?? null) : null;
      return { occurrences: occurrences.map(occurrenceJson), nextCursor };
    },
  );

  api.get(
    '/api/jobs/:id/why',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'whyJob', summary: 'Why a job ran or did not: what happened to an occurrence' },
        description:
          'Of the scheduled time `at`; without it, of the latest run and of what comes next. A job that does not exist is an answer, too.',
        params: jobIdParams,
        querystring: record('the query', { at: instant.optional() }),
        response: answers({ 200: why }),
      },
    },
    async ({ caller: { tenant }, params, query }) => {
      const parts = { inspect, clock, commandsTopic: topics.commands, rejections };
      return whyJson(await explain(parts, { tenant, jobId: params.id }, query.at ?? null));
    },
  );
}
