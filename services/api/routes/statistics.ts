/** How it goes: rates, lateness, failures, queues. */
import { z } from 'zod';
import { systemJobJson } from '../../core/resources.ts';
import { formatInstant } from '../../core/spec/instant.ts';
import { duration, record } from '../../core/spec/fields.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { answers, statistics, systemJob } from '../resources.ts';

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

export function addStatistics(api: Api, deps: ApiDeps): void {
  api.get(
    '/api/statistics',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags: ['runs'], operationId: 'getStatistics', summary: 'Rates, lateness, failures, and what waits' },
        querystring: record('the query', { window: duration(1_000, WEEK_MS).default(HOUR_MS) }),
        response: answers({ 200: statistics }),
      },
    },
    async (request) => {
      const until = deps.clock.now();
      const since = until - request.query.window;
      const { lateness, duration: took, ...rest } = await deps.inspect.statistics(request.caller.tenant, since, until);
      return {
        since: formatInstant(since),
        until: formatInstant(until),
        ...rest,
        runsPerSecond: (rest.runs * 1_000) / request.query.window,
        latenessMs: lateness,
        durationMs: took,
        queues: deps.queueDepth() ?? null,
      };
    },
  );

  api.get(
    '/api/system-jobs',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags: ['system'], operationId: 'listSystemJobs', summary: 'What Belfry does for itself by the clock' },
        response: answers({ 200: z.object({ jobs: z.array(systemJob) }) }),
      },
    },
    async () => ({ jobs: (await deps.inspect.systemJobs()).map(systemJobJson) }),
  );
}
