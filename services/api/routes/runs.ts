/** Runs: the history of jobs. */
import type { FastifyRequest } from 'fastify';
import type { RunFilter } from '../../core/ports/inspect.ts';
import { runDetailJson, runJson } from '../../core/resources.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { firstPage, jobIdParams, jobRunsQuery, runIdParams, runsQuery } from '../query.ts';
import { answers, pageOf, run, runDetail } from '../resources.ts';

const tags = ['runs'];

export function addRuns(api: Api, deps: ApiDeps): void {
  const { inspect } = deps;

  async function list(request: FastifyRequest, filter: RunFilter & { cursor?: string | undefined }, limit: number) {
    const { cursor: before, ...rest } = filter;
    const { tenant } = request.caller;
    const found = await inspect.runs({ ...rest, tenant, ...(before !== undefined && { before }) }, limit + 1);
    const { page, nextCursor } = firstPage(found, limit, ({ runId }) => runId);
    return { runs: page.map(runJson), nextCursor };
  }

  api.get(
    '/api/runs',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listRuns', summary: 'List runs, the latest first' },
        querystring: runsQuery,
        response: answers({ 200: pageOf('runs', run) }),
      },
    },
    (request) => {
      const { limit, ...filter } = request.query;
      return list(request, filter, limit);
    },
  );

  api.get(
    '/api/jobs/:id/runs',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listRunsOfJob', summary: 'List the runs of a job, the latest first' },
        params: jobIdParams,
        querystring: jobRunsQuery,
        response: answers({ 200: pageOf('runs', run) }),
      },
    },
    async (request) => {
      const { id: jobId } = request.params;
      const { limit, ...filter } = request.query;
      const page = await list(request, { ...filter, jobId }, limit);
      // Runs outlive their job: only where there is neither, there is nothing.
      const known = page.runs.length > 0 || (await inspect.job(request.caller.tenant, jobId)) !== undefined;
      if (!known) throw new RequestError('unknown_job', `There is no job ${jobId}.`);
      return page;
    },
  );

  api.get(
    '/api/runs/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'getRun', summary: 'A run: attempts, error, worker, times, result' },
        params: runIdParams,
        response: answers({ 200: runDetail }),
      },
    },
    async (request) => {
      const { id } = request.params;
      const found = await inspect.run(id);
      if (found?.tenant !== request.caller.tenant) throw new RequestError('unknown_run', `There is no run ${id}.`);
      return runDetailJson(found);
    },
  );
}
