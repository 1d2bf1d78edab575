/** Runs: the history of jobs. */
import type { FastifyRequest } from 'fastify';
import type { RunFilter } from '../../core/ports/inspect.ts';
import { runDetailJson, runJson } from '../../core/resources.ts';
import { name, record } from '../../core/spec/fields.ts';
import { JOB_ID } from '../../core/spec/names.ts';
import { ANSWER_MS, answeredInTime, commandIdOf } from '../command.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { firstPage, jobIdParams, jobRunsQuery, runIdParams, runsQuery } from '../query.ts';
import { accepted, answers, pageOf, run, runDetail } from '../resources.ts';

const tags = ['runs'];

const cancelBody = record('a cancel', {
  jobId: name(JOB_ID).optional().meta({ description: 'Of a run that nobody has begun, so that it is in no list yet.' }),
});

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

  api.post(
    '/api/runs/:id/cancel',
    {
      config: { scope: ['run', 'write'] },
      schema: {
        ...{ tags, operationId: 'cancelRun', summary: 'Cancel one run: its job and the other runs go on' },
        description:
          'One that has not started ends CANCELLED; a running one gets the signal, and ends so within 10 seconds. One that has ended otherwise is a conflict.',
        params: runIdParams,
        body: cancelBody,
        response: answers({ 200: runDetail, 202: accepted }),
      },
    },
    async (request, reply) => {
      const { id: runId } = request.params;
      const { tenant, actor } = request.caller;
      const own = async () => {
        const found = await inspect.run(runId);
        return found?.tenant === tenant ? found : undefined;
      };
      const jobId = (await own())?.jobId ?? request.body.jobId;
      if (jobId === undefined) throw new RequestError('unknown_run', `There is no run ${runId}.`);
      const commandId = commandIdOf(deps, request);
      reply.header('belfry-command-id', commandId);
      const options = { tenant, commandId, timeoutMs: ANSWER_MS };
      const result = await answeredInTime(deps.client.actingFor(actor).cancelRun(jobId, runId, options));
      const after = result && (await own());
      if (result !== undefined) reply.header('belfry-outcome', result.outcome);
      if (after !== undefined) return runDetailJson(after);
      reply.code(202);
      return { status: 'accepted', commandId, jobId };
    },
  );
}
