/** Backfill: occurrences of a recurring job that passed without a run. */
import { backfillFields } from '../../core/spec/parse-command.ts';
import { formatInstant } from '../../core/spec/instant.ts';
import { record } from '../../core/spec/fields.ts';
import { ANSWER_MS, answeredInTime, commandIdOf } from '../command.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { jobIdParams } from '../query.ts';
import { accepted, answers, backfilled } from '../resources.ts';

export function addBackfill(api: Api, { client, ids }: ApiDeps): void {
  api.post(
    '/api/jobs/:id/backfill',
    {
      config: { scope: 'run' },
      schema: {
        ...{ tags: ['jobs'], operationId: 'backfillJob', summary: 'Run occurrences that passed without a run' },
        description:
          'Of `cron` and `every`: what was skipped, and what lies before the job was made, in `[from, to)`. With `dryRun` it only answers.',
        params: jobIdParams,
        body: record('a backfill', backfillFields),
        response: answers({ 200: backfilled, 202: accepted }),
      },
    },
    async (request, reply) => {
      const { id: jobId } = request.params;
      const { from, to, ...rest } = request.body;
      const commandId = commandIdOf({ ids }, request);
      reply.header('belfry-command-id', commandId);
      const span = { from: formatInstant(from), to: formatInstant(to) };
      const { tenant, actor } = request.caller;
      const result = await answeredInTime(
        client.actingFor(actor).backfill(jobId, { ...rest, ...span, tenant, commandId, timeoutMs: ANSWER_MS }),
      );
      if (result === undefined) {
        reply.code(202);
        return { status: 'accepted', commandId, jobId };
      }
      const occurrences = result.occurrences.map((at) => formatInstant(at.getTime()));
      return { dryRun: rest.dryRun, jobId, matched: occurrences.length, occurrences };
    },
  );
}
