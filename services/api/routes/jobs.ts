/** Jobs: create, look, replace, cancel, steer. */
import { z } from 'zod';
import type { FastifyRequest } from 'fastify';
import { OVERLAPS } from '../../core/model.ts';
import type { InspectedJob } from '../../core/ports/inspect.ts';
import { jobJson } from '../../core/resources.ts';
import { record, word } from '../../core/spec/fields.ts';
import { identifiedJobSchema, jobSchema } from '../../core/spec/job-schema.ts';
import { checkPayload, checkPayloadLimits } from '../../core/spec/payload.ts';
import { toWireJob } from '../../core/spec/to-wire.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Rejection } from '../../core/records.ts';
import { answerCommand, commandIdOf, jobAnswer, jobIdOf } from '../command.ts';
import { asPrecondition, conditionOf, refuseConditions } from '../conditions.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { cursorOf, firstPage, jobIdParams, jobsQuery } from '../query.ts';
import { accepted, answers, job, listedJob, pageOf } from '../resources.ts';

const tags = ['jobs'];

export function addJobs(api: Api, deps: ApiDeps): void {
  const { inspect } = deps;
  const commanded = answers({ 200: job, 202: accepted });

  api.post(
    '/api/jobs',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, operationId: 'createJob', summary: 'Create a job; an id that exists is a conflict' },
        description: 'With an `Idempotency-Key` the same request may be sent again: it has one effect.',
        body: identifiedJobSchema,
        response: answers({ 200: job, 201: job, 202: accepted }),
      },
    },
    (request, reply) => {
      const { spec } = request.body;
      const jobId = request.body.jobId ?? jobIdOf(commandIdOf(deps, request));
      refuse(checkPayload(spec.type, spec.payload, deps.spec, ['payload']));
      return answerCommand(deps, request, reply, {
        ...{ jobId, creates: true },
        send: (by, options) => by.schedule(jobId, toWireJob(spec), { ...options, ifExists: 'reject' }),
      });
    },
  );

  api.get(
    '/api/jobs',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listJobs', summary: 'List jobs' },
        querystring: jobsQuery,
        response: answers({ 200: pageOf('jobs', listedJob) }),
      },
    },
    async (request) => {
      const { tenant } = request.caller;
      const { filter, order, sort, limit } = request.query;
      const { after, ...direction } = order;
      const place = after && { after: { tenant, ...after } };
      const found = await inspect.jobs({ ...filter, tenant }, limit + 1, { ...direction, ...place });
      const { page, nextCursor } = firstPage(found, limit, (last) => cursorOf(last, sort));
      return { jobs: page.map(jobJson), nextCursor };
    },
  );

  api.get(
    '/api/jobs/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'getJob', summary: 'A job' },
        params: jobIdParams,
        response: answers({ 200: listedJob }),
      },
    },
    async (request, reply) => jobAnswer(reply, await jobOf(deps, request)),
  );

  api.put(
    '/api/jobs/:id',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, operationId: 'putJob', summary: 'Create a job, or replace it' },
        description:
          '`If-Match: "3"` replaces version 3 alone, `If-Match: *` only a job that exists, `If-None-Match: *` replaces nothing.',
        params: jobIdParams,
        body: jobSchema,
        response: answers({ 200: job, 201: job, 202: accepted }),
      },
    },
    async (request, reply) => {
      const { id: jobId } = request.params;
      const spec = request.body;
      refuse(checkPayload(spec.type, spec.payload, deps.spec, ['payload']));
      const condition = await conditionOf(deps, request, jobId);
      return answerCommand(deps, request, reply, {
        ...{ jobId, creates: true },
        send: (by, options) =>
          asPrecondition(condition, () => by.schedule(jobId, toWireJob(spec), { ...options, ...condition?.options })),
      });
    },
  );

  for (const [action, { method, url, summary }] of Object.entries(STEERING) as [
    Steering,
    (typeof STEERING)[Steering],
  ][]) {
    api.route({
      ...{ method, url },
      config: { scope: 'write' },
      schema: {
        ...{ tags, operationId: `${action}Job`, summary, params: jobIdParams, response: commanded },
        ...(method === 'POST' && { body: noBody }),
      },
      handler: (request, reply) => {
        const { id: jobId } = request.params;
        refuseConditions(request);
        return answerCommand(deps, request, reply, { jobId, send: (by, options) => by[action](jobId, options) });
      },
    });
  }

  for (const name of ['trigger', 'execute'] as const) {
    api.post(
      `/api/jobs/:id/${name}`,
      {
        config: { scope: 'run' },
        schema: {
          ...{ tags, operationId: `${name}Job`, summary: 'Run a job now, beside its schedule' },
          description: 'The run has the header `Belfry-Command-Id` as its cause: `GET /api/runs?cause=…` finds it.',
          params: jobIdParams,
          body: triggerBody,
          response: commanded,
        },
      },
      (request, reply) => {
        const { id: jobId } = request.params;
        refuseConditions(request);
        refuse(checkPayloadLimits(request.body.payload ?? null, ['payload']));
        return answerCommand(deps, request, reply, {
          jobId,
          send: (by, options) => by.trigger(jobId, { ...options, ...request.body }),
        });
      },
    );
  }
}

const STEERING = {
  pause: { method: 'POST', url: '/api/jobs/:id/pause', summary: 'Stop a job from firing until it is resumed' },
  resume: {
    method: 'POST',
    url: '/api/jobs/:id/resume',
    summary: 'Let a paused job fire again; what passed meanwhile is SKIPPED',
  },
  cancel: {
    method: 'DELETE',
    url: '/api/jobs/:id',
    summary: 'Cancel a job: no further run starts, running ones get a signal',
  },
} as const;
type Steering = keyof typeof STEERING;

/** A field that nobody reads is a mistake. */
const noBody = record('this request', {});

const triggerBody = record('a trigger', {
  payload: z.unknown().optional().meta({ description: "Instead of the job's own." }),
  overlap: word(OVERLAPS).optional(),
});

/** @throws RequestError `unknown_job`, also for a job of another tenant */
export async function jobOf({ inspect }: ApiDeps, request: FastifyRequest): Promise<InspectedJob> {
  const { id } = request.params as z.output<typeof jobIdParams>;
  const found = await inspect.job(request.caller.tenant, id);
  if (found === undefined) throw new RequestError('unknown_job', `There is no job ${id}.`);
  return found;
}

export function refuse(rejection: Rejection | undefined): void {
  if (rejection === undefined) return;
  const { code, message, field } = rejection;
  throw new BelfryError(code, message, { field });
}
