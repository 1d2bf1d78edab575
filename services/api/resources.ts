/** What the API answers, as schemas: the OpenAPI document is made of them, and a test holds the running server to it. */
import { z } from 'zod';
import { JOB_STATES, JOB_TYPES, PRIORITIES, RUN_STATUSES, TERMINAL_STATUSES, TRIGGERS } from '../core/model.ts';
import { ACTOR_KINDS, AUDIT_ACTIONS } from '../core/audit.ts';
import { SCOPES } from '../core/ports/api-keys.ts';
import { VERDICTS } from '../core/why/facts.ts';

const time = z.string().meta({ format: 'date-time' });
const maybeTime = time.nullable();
const labels = z.record(z.string(), z.string());
const error = z.object({ code: z.string(), message: z.string() });

export const problem = z
  .object({
    type: z.string().meta({ description: '`urn:belfry:problem:<code>`' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z
      .array(
        z.object({
          pointer: z.string().optional().meta({ description: 'A JSON pointer into the body.' }),
          parameter: z.string().optional(),
          header: z.string().optional(),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });

export const job = z
  .object({
    tenant: z.string(),
    jobId: z.string(),
    state: z.enum(JOB_STATES),
    version: z.int().meta({ description: 'Counts replacements; the ETag, and what If-Match compares with.' }),
    nextFireAt: maybeTime.meta({ description: 'When the next run starts; null while the job is paused.' }),
    nextAt: maybeTime.meta({ description: 'The time that the next run is scheduled for, which jitter does not move.' }),
    anchorAt: time.meta({ description: 'What `every` and `fixedDelay` count from.' }),
    runCount: z.int(),
    active: z.array(z.string()).meta({ description: 'Runs under way, of jobs that the timer follows.' }),
    buffered: z.array(z.string()),
    pausedAt: maybeTime,
    createdAt: time,
    updatedAt: time,
    job: z
      .looseObject({ type: z.enum(JOB_TYPES) })
      .meta({ description: 'As it was sent, with the defaults spelled out.' }),
  })
  .meta({ id: 'Job' });

const unreadableJob = z
  .object({
    ...{ tenant: z.string(), jobId: z.string(), state: z.enum(JOB_STATES), version: z.int() },
    ...{ createdAt: time, updatedAt: time },
    unreadable: z.string().meta({ description: 'Why this release cannot read the job.' }),
  })
  .meta({
    id: 'UnreadableJob',
    description: 'A newer release wrote the job, or its row is damaged; no list fails for it.',
  });
export const listedJob = z.union([job, unreadableJob]);

export const accepted = z
  .object({ status: z.literal('accepted'), commandId: z.string(), jobId: z.string() })
  .meta({ id: 'Accepted', description: 'The command is durable and will be applied; no timer answered in time.' });

export const emitted = z
  .object({
    eventId: z.string(),
    event: z.string(),
    outcome: z.enum(['applied', 'duplicate', 'accepted']),
    matched: z.int().nullable().meta({ description: 'Jobs that it runs; null where that is not known.' }),
  })
  .meta({ id: 'Emitted' });

export const backfilled = z
  .object({ dryRun: z.boolean(), jobId: z.string(), matched: z.int(), occurrences: z.array(time) })
  .meta({ id: 'Backfilled', description: 'The occurrences that are run, or would be.' });

const runFields = {
  runId: z.string(),
  tenant: z.string(),
  jobId: z.string(),
  jobVersion: z.int(),
  type: z.enum(JOB_TYPES),
  handler: z.string(),
  queue: z.string(),
  priority: z.enum(PRIORITIES).nullable().meta({ description: 'null: it was skipped, and stood in no queue.' }),
  status: z.enum(RUN_STATUSES),
  trigger: z.enum(TRIGGERS),
  cause: z.string(),
  scheduledFor: time,
  startedAt: maybeTime,
  finishedAt: maybeTime,
  attempt: z.int(),
  lost: z.int(),
  worker: z.string(),
  retryAt: maybeTime,
  error: error.nullable(),
  reason: z.string().nullable(),
  count: z.int().nullable(),
  from: maybeTime,
  to: maybeTime,
  replayOf: z.string().nullable(),
  labels,
};
const lineage = {
  replays: z.array(z.object({ runId: z.string(), status: z.enum(RUN_STATUSES) })),
  discarded: z.object({ at: time, note: z.string() }).nullable(),
};

export const run = z.object(runFields).meta({ id: 'Run' });
export const deadRun = z.object({ ...runFields, ...lineage, resolved: z.boolean() }).meta({ id: 'DeadRun' });
export const runDetail = z
  .object({
    ...runFields,
    ...lineage,
    idempotencyKey: z.string(),
    result: z.unknown(),
    resultTruncated: z.boolean(),
    progress: z.unknown(),
    due: z.looseObject({}).nullable().meta({ description: 'Of a FAILED run: what it ran with, and its failures.' }),
  })
  .meta({ id: 'RunDetail' });

export const outcome = z
  .object({
    ...{ eventId: z.string(), runId: z.string(), tenant: z.string(), jobId: z.string(), jobVersion: z.int() },
    ...{ type: z.enum(JOB_TYPES), handler: z.string(), queue: z.string(), status: z.enum(TERMINAL_STATUSES) },
    ...{ trigger: z.enum(TRIGGERS), cause: z.string(), scheduledFor: time, startedAt: maybeTime, finishedAt: time },
    ...{ attempt: z.int(), worker: z.string(), result: z.unknown(), resultTruncated: z.boolean() },
    ...{
      error: error.nullable(),
      reason: z.string().nullable(),
      count: z.int().nullable(),
      from: maybeTime,
      to: maybeTime,
    },
    ...{ replayOf: z.string().nullable(), labels },
  })
  .meta({ id: 'Outcome' });

const commandAnswer = z
  .object({
    commandId: z.string().nullable(),
    tenant: z.string(),
    jobId: z.string().nullable(),
    outcome: z.enum(['applied', 'unchanged', 'duplicate', 'rejected', 'accepted', 'failed']).meta({
      description: 'accepted: durable, and no timer answered in time; failed: not known to be durable, send it again.',
    }),
    error: z.object({ code: z.string(), message: z.string(), field: z.string().optional() }).nullable(),
    job: z.object({ state: z.enum(JOB_STATES), version: z.int(), nextFireAt: maybeTime }).nullable(),
    matched: z.int().nullable().meta({ description: 'Of an emit: how many jobs run. Of a backfill: how many runs.' }),
    occurrences: z.array(time).nullable().meta({ description: 'Of a backfill: what is run.' }),
  })
  .meta({ id: 'CommandAnswer' });
export const commandAnswers = z.object({ results: z.array(commandAnswer) });

export const rejectedCommand = z
  .object({
    place: z.string().meta({
      description: 'Partition and offset on job.commands; on another topic with its name before them.',
    }),
    at: time,
    error,
    ...{ tenant: z.string().nullable(), jobId: z.string().nullable(), commandId: z.string().nullable() },
    key: z.string().nullable(),
    value: z.string().nullable(),
    valueBase64: z.string().nullable(),
    size: z.int().nullable().meta({ description: 'Bytes of the value; null: there is none.' }),
    truncated: z.boolean().meta({ description: 'Whether `value` is only the beginning of it.' }),
    headers: z.record(z.string(), z.string()),
  })
  .meta({ id: 'RejectedCommand' });
export const rejectedPage = z.object({ rejected: z.array(rejectedCommand), more: z.boolean() });

export const caller = z.object({ tenant: z.string(), scopes: z.array(z.enum(SCOPES)) });

/** A page of a list; without `nextCursor` it is the last. */
export const pageOf = <N extends string>(name: N, item: z.ZodType) =>
  z.object({ [name]: z.array(item), nextCursor: z.string().nullable() });

const itemResult = {
  status: z.int(),
  outcome: z.string().optional(),
  problem: problem.optional(),
};
export const batchResult = z.object({
  results: z.array(z.object({ jobId: z.string().nullable(), ...itemResult, version: z.int().nullable().optional() })),
});
export const bulkResult = z.object({
  dryRun: z.boolean(),
  matched: z.int(),
  more: z.boolean().meta({ description: 'More match than one call takes.' }),
  sample: z.array(z.string()),
  done: z.int(),
  failed: z.array(z.object({ id: z.string(), problem })),
});
export const discardResult = bulkResult.extend({ discarded: z.array(z.string()) });
export const replayResult = bulkResult.extend({
  replays: z.array(z.object({ runId: z.string(), jobId: z.string(), replay: z.string() })),
});

export const occurrences = z.object({
  occurrences: z.array(
    z.object({ at: time, local: z.string(), excluded: z.boolean(), dst: z.enum(['gap', 'repeat']).nullable() }),
  ),
});

export const listedOccurrence = z
  .object({
    ...occurrences.shape.occurrences.element.shape,
    runId: z.string().meta({ description: 'Known beforehand: the run has it as soon as there is one.' }),
    run: run.nullable().meta({ description: 'null: still to come, or not begun by an executor yet.' }),
  })
  .meta({ id: 'Occurrence' });

export const why = z
  .object({
    ...{ tenant: z.string(), jobId: z.string(), now: time },
    stories: z.array(
      z.object({
        at: maybeTime.meta({ description: 'The scheduled time; null: none is known.' }),
        runId: z.string().nullable().meta({ description: 'Of a run that is decided; null: there is none.' }),
        verdict: z.enum(VERDICTS),
        answer: z.string(),
        lines: z.array(z.object({ at: maybeTime, what: z.string(), text: z.string() })),
        advice: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Why' });

const percentiles = z.object({ p50: z.int().nullable(), p95: z.int().nullable(), p99: z.int().nullable() });
export const statistics = z.object({
  since: time,
  until: time,
  runs: z.int(),
  limited: z.boolean().meta({ description: 'There were more runs: these figures are of the latest ones.' }),
  runsPerSecond: z.number().meta({ description: 'Of those that the figures are of.' }),
  byStatus: z.partialRecord(z.enum(RUN_STATUSES), z.int()),
  latenessMs: percentiles,
  durationMs: percentiles,
  failing: z.array(z.object({ jobId: z.string(), failed: z.int(), lastError: z.string().nullable() })),
  queues: z
    .array(z.object({ queue: z.string(), priority: z.enum(PRIORITIES), waiting: z.int() }))
    .nullable()
    .meta({ description: 'Runs of all tenants that wait for an executor or are with one.' }),
});

export const key = z
  .object({
    prefix: z.string(),
    tenant: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    createdAt: time,
    expiresAt: maybeTime,
    revokedAt: maybeTime,
    lastUsedAt: maybeTime,
  })
  .meta({ id: 'Key' });
export const newKey = z.object({ key: z.string().meta({ description: 'Shown once.' }), ...key.shape });

export const systemJob = z
  .object({
    name: z.string(),
    lastRunAt: time,
    nextRunAt: time,
    status: z.enum(['COMPLETED', 'FAILED']),
    result: z.string(),
    changedAt: maybeTime.meta({ description: 'The last time that there was something to do.' }),
    changed: z.string().nullable(),
  })
  .meta({ id: 'SystemJob' });

export const auditEntry = z
  .object({
    id: z.int(),
    at: time,
    tenant: z.string(),
    jobId: z.string().nullable().meta({ description: 'null: it is not of a job.' }),
    action: z.enum(AUDIT_ACTIONS),
    actor: z.object({ kind: z.enum(ACTOR_KINDS), id: z.string().nullable(), name: z.string().nullable() }),
    commandId: z.string().nullable(),
    version: z.int().nullable(),
    changes: z.array(z.object({ field: z.string(), from: z.unknown().optional(), to: z.unknown().optional() })).meta({
      description: 'Fields with what they were and are; payloads as size and hash alone.',
    }),
  })
  .meta({ id: 'AuditEntry' });

const quota = z.int().nullable();
export const tenant = z
  .object({
    tenant: z.string(),
    ...{ jobs: quota, runsPerSecond: quota, concurrentRuns: quota, payloadBytes: quota },
    handlerRuns: z.record(z.string(), z.int()).nullable(),
    minInterval: z.string().nullable(),
    historyDays: quota,
    queue: z.string().nullable(),
    updatedAt: time,
  })
  .meta({ id: 'Tenant', description: 'What a tenant may have and do; null: no limit beyond the general ones.' });

export const webhook = z
  .object({
    ...{ tenant: z.string(), id: z.string(), url: z.string(), statuses: z.array(z.enum(TERMINAL_STATUSES)) },
    ...{ jobs: z.array(z.string()), handlers: z.array(z.string()), labels, disabled: z.boolean() },
    ...{ createdAt: time, updatedAt: time },
  })
  .meta({ id: 'Webhook', description: 'Empty lists, and no labels, let the outcomes of all jobs pass.' });
export const newWebhook = z.object({
  secret: z.string().meta({ description: 'Shown once: what receivers verify signatures with.' }),
  ...webhook.shape,
});
export const webhookTest = z.object({ eventId: z.string(), runId: z.string(), jobId: z.string() });

/** The answers that every route may give, beside its own. */
export function answers(own: Readonly<Record<number, z.ZodType>>): Record<string, z.ZodType> {
  return { ...own, '4xx': problem, '5xx': problem };
}
