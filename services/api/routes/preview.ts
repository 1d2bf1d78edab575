/** What a schedule means, before anything is scheduled. */
import { previewOccurrences } from '../../core/occurrences/preview.ts';
import { anchorOf } from '../../core/occurrences/schedule.ts';
import { instant, record, whole } from '../../core/spec/fields.ts';
import { formatInstant } from '../../core/spec/instant.ts';
import { scheduleSchema } from '../../core/spec/schedule-schema.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { answers, occurrences } from '../resources.ts';

const MOST = 1_000;

const previewBody = record('a preview', {
  schedule: scheduleSchema,
  from: instant.optional(),
  count: whole(1, MOST).default(10),
});

export function addPreview(api: Api, deps: ApiDeps): void {
  api.post(
    '/api/preview',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags: ['jobs'], operationId: 'preview', summary: 'The next times of a schedule, clock changes marked' },
        body: previewBody,
        response: answers({ 200: occurrences }),
      },
    },
    (request) => {
      const now = deps.clock.now();
      const { schedule, from = now, count } = request.body;
      const found = previewOccurrences(schedule, { from, count, anchorAt: anchorOf(schedule, now) });
      return { occurrences: found.map(({ at, ...rest }) => ({ at: formatInstant(at), ...rest })) };
    },
  );
}
