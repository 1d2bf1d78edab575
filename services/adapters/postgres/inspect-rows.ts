/** Rows of `jobs` and `runs` as people read them. */
import { messageOf } from '../../core/errors.ts';
import type { Discard, DeadRunSummary, InspectedJob, Replay, RunDetail, RunSummary } from '../../core/ports/inspect.ts';
import type { DueRecord, RunError } from '../../core/records.ts';
import { UNREADABLE_SPEC, unreadableBecause } from '../../core/spec/unreadable-spec.ts';
import { JOB_FIELDS, jobOf, type JobRow } from './timer-rows.ts';

/** When the next run starts: as the timer strikes, unless the step that set it wrote otherwise (028-next-start.sql). */
export const NEXT_START = `CASE WHEN j.next_start_of IS NOT DISTINCT FROM j.next_fire_at THEN j.next_start_at ELSE j.next_fire_at END`;
export const INSPECTED_FIELDS = `${JOB_FIELDS}, ${NEXT_START} AS "nextStartAt"`;
export type InspectedRow = JobRow & Pick<InspectedJob, 'nextStartAt'>;

/** One row that cannot be read spoils no list: it is shown as that, with its id. */
export function inspectedJobOf({ nextStartAt, ...row }: InspectedRow): InspectedJob {
  let unreadable: string | undefined;
  try {
    const job = jobOf(row);
    unreadable = unreadableBecause(job.spec);
    if (unreadable === undefined) return { ...job, nextStartAt };
  } catch (error) {
    unreadable = `its row is damaged: ${messageOf(error)}`;
  }
  const nothing = { spec: UNREADABLE_SPEC, active: [], buffered: [], recentCommands: [], downstreams: [] };
  return { ...row, ...nothing, state: row.state as InspectedJob['state'], nextStartAt, unreadable };
}

export const SUMMARY_FIELDS = `r.run_id AS "runId", r.tenant, r.job_id AS "jobId", r.job_version AS "jobVersion", r.type, r.handler,
  r.queue, r.priority, r.status, r.trigger, r.cause, r.scheduled_for AS "scheduledFor", r.started_at AS "startedAt",
  r.finished_at AS "finishedAt", r.attempt, r.lost, r.worker, r.retry_at AS "retryAt", r.error_code AS "errorCode",
  r.error_message AS "errorMessage", r.reason, r.count, r.from_at AS "from", r.to_at AS "to", r.replay_of AS "replayOf", r.labels`;

export const LINEAGE_FIELDS = `d.at AS "discardedAt", d.note AS "discardNote",
  (SELECT coalesce(json_agg(json_build_object('runId', p.replay, 'status', coalesce(x.status, 'ENQUEUED'))), '[]')
   FROM replays p LEFT JOIN runs x ON x.run_id = p.replay WHERE p.original = r.run_id) AS replays`;

export const DETAIL_FIELDS = `r.idempotency_key AS "idempotencyKey", r.result, r.result_truncated AS "resultTruncated", r.progress, r.due`;

export type SummaryRow = Omit<RunSummary, 'error' | 'labels'> & {
  errorCode: string | null;
  errorMessage: string | null;
  labels: string;
};
export type LineageRow = { discardedAt: number | null; discardNote: string | null; replays: Replay[] };
export type DetailRow = SummaryRow &
  LineageRow & {
    idempotencyKey: string;
    result: string | null;
    resultTruncated: boolean;
    progress: string | null;
    due: string | null;
  };

export function summaryOf(row: SummaryRow): RunSummary {
  const { errorCode, errorMessage, labels, ...fields } = row;
  const error: RunError | null = errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' };
  return { ...fields, error, labels: (parsed(labels) ?? {}) as RunSummary['labels'] };
}

export function deadOf({ discardedAt, discardNote, replays, ...row }: SummaryRow & LineageRow): DeadRunSummary {
  const discarded = discardOf(discardedAt, discardNote);
  const resolved = discarded !== null || replays.some(({ status }) => !SETTLES_NOTHING.includes(status));
  return { ...summaryOf(row), replays, discarded, resolved };
}

/** As the condition of the unresolved in inspect.ts. */
export const SETTLES_NOTHING: readonly string[] = ['CANCELLED', 'SKIPPED'];

export function detailOf(row: DetailRow): RunDetail {
  const { discardedAt, discardNote, replays, idempotencyKey, result, resultTruncated, progress, due, ...summary } = row;
  return {
    ...summaryOf(summary),
    ...{ replays, idempotencyKey, resultTruncated },
    result: parsed(result),
    progress: parsed(progress),
    due: parsed(due) as DueRecord | null,
    discarded: discardOf(discardedAt, discardNote),
  };
}

function discardOf(at: number | null, note: string | null): Discard | null {
  return at === null ? null : { at, note: note ?? '' };
}

/** Null where it is no JSON: the rest of the row can be read. */
function parsed(json: string | null): unknown {
  try {
    return json === null ? null : (JSON.parse(json) as unknown);
  } catch {
    return null;
  }
}
