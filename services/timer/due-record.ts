/** From a job and one of its runs to the due record that an executor gets. */
import { scheduledRunId } from '../core/occurrences/of-job.ts';
import { tracksRuns, type BufferedRun, type Job, type JobSpec } from '../core/model.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import type { DueRecord } from '../core/records.ts';
import { formatInstant } from '../core/spec/instant.ts';
import type { Topics } from '../core/topics.ts';
import type { Emission } from './effects.ts';

export type DueOptions = {
  dueAt: number;
  /** The sender's trace, where the run continues it. */
  traceparent: string | null;
  /** Whether the timer must hear of the end although the job as a whole is not tracked. */
  tracked?: boolean;
};

/** The first attempt of a run, as an executor needs it. */
export function makeDue(job: Job, run: BufferedRun, { dueAt, traceparent, tracked = false }: DueOptions): DueRecord {
  const { spec } = job;
  return {
    runId: run.runId,
    tenant: job.tenant,
    jobId: job.jobId,
    jobVersion: job.version,
    type: spec.type,
    handler: spec.handler,
    queue: spec.queue,
    priority: spec.priority,
    payload: 'payload' in run ? run.payload : spec.payload,
    labels: spec.labels,
    ...run.origin,
    idempotencyKey: run.idempotencyKey ?? run.runId,
    scheduledFor: run.scheduledFor,
    dueAt,
    attempt: 1,
    retry: spec.retry,
    timeoutMs: spec.timeoutMs,
    ...(spec.explicit === undefined ? {} : { explicit: spec.explicit }),
    delivery: spec.delivery,
    cancelGen: job.cancelGen,
    ...(spec.concurrencyKey === undefined ? {} : { concurrencyKey: spec.concurrencyKey }),
    tracked: tracked || mustHear(job),
    failures: [],
    traceparent,
    ...(run.upstream === undefined ? {} : { upstream: run.upstream }),
    ...(run.event === undefined ? {} : { event: run.event }),
  };
}

/** Whether the timer must hear of the ends of a job's runs, and counts them as active until then. */
export function mustHear({ spec, downstreams = [] }: Job): boolean {
  return tracksRuns(spec) || downstreams.length > 0;
}

/** The run of the occurrence at `scheduledFor`: always the same one. */
export function scheduledRun({ tenant, jobId }: Pick<Job, 'tenant' | 'jobId'>, scheduledFor: number): BufferedRun {
  const origin = { trigger: 'schedule', cause: formatInstant(scheduledFor), replayOf: null } as const;
  return { runId: scheduledRunId({ tenant, jobId }, scheduledFor), scheduledFor, origin };
}

/** Where a due record goes; the empty string is the exact lane. */
export function dueTopicOf(
  topics: Topics,
  { type, queue, priority }: Pick<JobSpec, 'type' | 'queue' | 'priority'>,
): string {
  return type === 'KAFKA_MESSAGE' ? '' : topics.due(queue, priority);
}

export function emissionOf(topics: Topics, due: DueRecord): Emission {
  const { tenant, jobId, runId } = due;
  return { topic: dueTopicOf(topics, due), tenant, jobId, runId, due: JSON.stringify(due) };
}

/** The timer of the next attempt of a run. @param dueAt ms */
export function retryTimer(due: DueRecord, dueAt: number, partition: number, topics: Topics): TimerRow {
  const { tenant, jobId, runId } = due;
  const topic = dueTopicOf(topics, due);
  return {
    partition,
    fireAt: dueAt,
    runId,
    kind: 'retry',
    tenant,
    jobId,
    topic,
    due: JSON.stringify({ ...due, dueAt }),
  };
}
