/** What stands in paths and queries: all of it is text. */
import { z } from 'zod';
import { instant, listOf, mapOf, name, record, text, word } from '../core/spec/fields.ts';
import { JOB_STATES, JOB_TYPES, PRIORITIES, RUN_STATUSES } from '../core/model.ts';
import { JOB_ORDERS, type InspectedJob, type JobFilter, type JobOrder } from '../core/ports/inspect.ts';
import { CAUSE, JOB_ID, LABEL_KEY, LABEL_VALUE, QUEUE, RUN_ID, type NameRule } from '../core/spec/names.ts';

const MOST = 200;
const USUAL = 50;

/** A whole number as text. */
export function count(max: number, usual: number) {
  const error = `must be a whole number from 1 to ${max}`;
  return z
    .string({ error })
    .max(9, { error })
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, { error })
    .default(usual);
}

const ERROR_CODE: NameRule = {
  allowed: 'must be an error code such as timeout',
  holds: (text) => /^[a-z_]{1,64}$/.test(text),
};
const SEARCHED: NameRule = { ...LABEL_VALUE, holds: (text) => text !== '' && LABEL_VALUE.holds(text) };

export const jobIdParams = record('the path', { id: name(JOB_ID) });
export const runIdParams = record('the path', { id: name(RUN_ID) });

const yes = word(['true', 'false']).transform((text) => text === 'true');
const paging = { limit: count(MOST, USUAL) };

/** `?label=team=billing`, once or several times: a job has one value of each name. */
const labelText = text('must be name=value');
const labelsQuery = z
  .union([labelText, listOf(labelText, 'labels', { max: 32 })], { error: 'must be name=value, at most 32 times' })
  .transform((texts, context) => {
    const labels = new Map<string, string>();
    for (const [key, value] of [texts].flat().map(pair)) {
      const known = labels.get(key) ?? value;
      if (known !== value)
        context.addIssue({ code: 'custom', message: `asks for ${key} twice, as "${known}" and as "${value}"` });
      labels.set(key, value);
    }
    return Object.fromEntries(labels);
  })
  .pipe(mapOf(LABEL_KEY, name(LABEL_VALUE), 32));

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Fields of a filter of jobs, in a query and in a body. */
const jobFilter = {
  state: word(JOB_STATES).optional(),
  type: word(JOB_TYPES).optional(),
  priority: word(PRIORITIES).optional(),
  queue: name(QUEUE).optional(),
  text: name(SEARCHED).optional(),
};
export const jobFilterBody = record('a filter', {
  ...jobFilter,
  labels: mapOf(LABEL_KEY, name(LABEL_VALUE), 32).optional(),
});

const SORTS = JOB_ORDERS.flatMap((by) => [by, `-${by}`] as const);
const CURSOR_ERROR = { error: 'must be a cursor that a list with the same sort gave' };

export const jobsQuery = record('the query', {
  ...jobFilter,
  label: labelsQuery.optional(),
  own: yes.optional().meta({ description: "Belfry's own jobs, too: those that deliver for webhooks." }),
  sort: word(SORTS as [string, ...string[]]).default('jobId'),
  cursor: text(CURSOR_ERROR.error).optional(),
  ...paging,
}).transform((query, context) => {
  const { label, sort, cursor, limit, ...filter } = query;
  const after = cursor === undefined ? undefined : readCursor(cursor, sort);
  if (cursor !== undefined && after === undefined) {
    context.addIssue({ code: 'custom', path: ['cursor'], message: CURSOR_ERROR.error });
    return z.NEVER;
  }
  const order = {
    by: sort.replace('-', '') as JobOrder['by'],
    descending: sort.startsWith('-'),
    ...(after && { after }),
  };
  return { filter: { ...filter, labels: label } satisfies JobFilter, sort, order, limit };
});

const cursorSchema = z.tuple([text('must be a sort'), name(JOB_ID), z.int().nullable(), z.int(), z.int()]);

/** Where the list goes on: behind this job, in this order. */
export function cursorOf({ jobId, nextStartAt, createdAt, updatedAt }: InspectedJob, sort: string): string {
  const place: z.output<typeof cursorSchema> = [sort, jobId, nextStartAt, createdAt, updatedAt];
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/**
 * What a list answers.
 * @param found one more than `limit`, if there are as many
 * @param cursor where the list goes on behind this one
 */
export function firstPage<T>(
  found: readonly T[],
  limit: number,
  cursor: (last: T) => string,
): { page: T[]; nextCursor: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, nextCursor: found.length > limit && last !== undefined ? cursor(last) : null };
}

function readCursor(text: string, sort: string): Omit<NonNullable<JobOrder['after']>, 'tenant'> | undefined {
  try {
    const [of, jobId, nextStartAt, createdAt, updatedAt] = cursorSchema.parse(
      JSON.parse(Buffer.from(text, 'base64url').toString()),
    );
    return of === sort ? { jobId, nextStartAt, createdAt, updatedAt } : undefined;
  } catch {
    return undefined; // no JSON, or another's: the caller says so
  }
}

const runFilter = {
  status: word(RUN_STATUSES).optional(),
  cause: name(CAUSE).optional(),
  since: instant.optional(),
  until: instant.optional(),
  cursor: name(RUN_ID).optional(),
  ...paging,
};
export const jobRunsQuery = record('the query', runFilter);
export const runsQuery = record('the query', { jobId: name(JOB_ID).optional(), ...runFilter });

const deadFilter = {
  jobId: name(JOB_ID).optional(),
  errorCode: name(ERROR_CODE).optional(),
  since: instant.optional(),
  until: instant.optional(),
};
export const deadFilterBody = record('a filter', deadFilter);
export const deadQuery = record('the query', {
  ...deadFilter,
  resolved: yes.default(false),
  cursor: name(RUN_ID).optional(),
  ...paging,
});
