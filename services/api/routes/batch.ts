/** Many jobs in one request. */
import { z } from 'zod';
import { BelfryError } from '../../core/errors.ts';
import type { JobSpec } from '../../core/model.ts';
import { listOf, record, withoutNulls, word } from '../../core/spec/fields.ts';
import { identifiedJobSchema } from '../../core/spec/job-schema.ts';
import { checkPayload } from '../../core/spec/payload.ts';
import { findingsOf } from '../../core/spec/problems.ts';
import { toWireJob } from '../../core/spec/to-wire.ts';
import { MAX_BODY_BYTES } from '../body-budget.ts';
import { bulkFields, runBulk } from '../bulk.ts';
import { itemProblem } from '../item.ts';
import { idempotencyKeyOf, jobIdOf } from '../command.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { problemOf } from '../problem.ts';
import { jobFilterBody } from '../query.ts';
import { answers, batchResult, bulkResult } from '../resources.ts';
import { invalidRequest } from '../validate.ts';
import { refuse } from './jobs.ts';

const MOST = 1_000;
const tags = ['jobs'];

const batchBody = record('a batch', {
  jobs: listOf(z.unknown().meta({ description: 'A job with its jobId, as in POST /api/jobs.' }), 'jobs', {
    ...{ min: 1, max: MOST },
  }),
  ifExists: word(['replace', 'keep', 'reject']).default('reject'),
});

const bulkBody = record('a bulk action', {
  action: word(['pause', 'resume', 'cancel']),
  filter: jobFilterBody,
  ...bulkFields,
});

export function addBatch(api: Api, deps: ApiDeps): void {
  const { client, inspect } = deps;

  api.post(
    '/api/jobs/batch',
    {
      config: { scope: 'write' },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        ...{ tags, operationId: 'createJobs', summary: `Create up to ${MOST} jobs; a result for each, in order` },
        body: batchBody,
        response: answers({ 200: batchResult }),
      },
    },
    async (request) => {
      const { tenant, actor } = request.caller;
      const { jobs, ifExists } = request.body;
      deps.commandRate.take(request.caller, jobs.length);
      const by = client.actingFor(actor);
      const key = idempotencyKeyOf(request) ?? deps.ids.uuid();
      const results = jobs.map(async (item, index) => {
        let jobId: string | null = null;
        try {
          const { jobId: written, spec } = readItem(deps, item);
          const commandId = `${key}#${index}`;
          jobId = written ?? jobIdOf(commandId);
          const { outcome, version } = await by.schedule(jobId, toWireJob(spec), { tenant, commandId, ifExists });
          return { jobId, status: outcome === 'applied' && version === 1 ? 201 : 200, outcome, version };
        } catch (error) {
          if (error instanceof BelfryError && error.code === 'no_answer')
            return { jobId, status: 202, outcome: 'accepted' };
          const problem = problemOf(error as Error);
          return { jobId, status: problem.status, problem };
        }
      });
      return { results: await Promise.all(results) };
    },
  );

  api.post(
    '/api/jobs/bulk',
    {
      config: { scope: 'write' },
      schema: {
        ...{ tags, operationId: 'bulkJobs', summary: 'Pause, resume or cancel all jobs that a filter finds' },
        description: 'First a dry run tells how many there are; then `dryRun: false` with that number as `expected`.',
        body: bulkBody,
        response: answers({ 200: bulkResult }),
      },
    },
    (request) => {
      const { tenant, actor } = request.caller;
      const { action, filter } = request.body;
      const by = client.actingFor(actor);
      return runBulk(
        request.body,
        (limit) => inspect.jobs({ ...filter, tenant }, limit),
        ({ jobId }) => jobId,
        async ({ jobId }) => {
          await by[action](jobId, { tenant });
        },
      );
    },
  );
}

/** Of one item: there are many of them, and one answer. */
const MAX_ITEM_FINDINGS = 10;

function readItem(deps: ApiDeps, item: unknown): { jobId?: string | undefined; spec: JobSpec } {
  refuse(itemProblem(item));
  const written = withoutNulls(item);
  const { data, error } = identifiedJobSchema.safeParse(written);
  if (error !== undefined) throw invalidRequest('body', findingsOf(error, written).slice(0, MAX_ITEM_FINDINGS));
  refuse(checkPayload(data.spec.type, data.spec.payload, deps.spec, ['payload']));
  return data;
}
