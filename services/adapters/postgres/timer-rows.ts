/** Rows as the timer reads them. int8 arrives as number, arrays as arrays; Kafka offsets as text, since they may pass 2^53. */
import type { ActiveRun, AppliedCommand, BufferedRun, Job, JobSpec, JobState } from '../../core/model.ts';
import type { Ownership, StoredRun } from '../../core/ports/timer-store.ts';
import type { DueRecord } from '../../core/records.ts';

export type OwnerRow = Record<'commands' | 'retry' | 'completed', string> & { epoch: number; outboxSeq: number };

export const OWNER_FIELDS = `epoch, outbox_seq AS "outboxSeq", commands_offset::text AS commands,
  retry_offset::text AS retry, completed_offset::text AS completed`;

export function ownershipOf(partition: number, row: OwnerRow): Ownership {
  const { epoch, outboxSeq, commands, retry, completed } = row;
  const offsets = { commands: BigInt(commands), retry: BigInt(retry), completed: BigInt(completed) };
  return { partition, epoch, offsets, outboxSeq };
}

export const JOB_FIELDS = `j.tenant, j.job_id AS "jobId", j.partition, j.state, j.version, j.spec, j.cancel_gen AS "cancelGen",
  j.anchor_at AS "anchorAt", j.next_at AS "nextAt", j.next_fire_at AS "nextFireAt", j.run_count AS "runCount", j.active, j.buffered,
  j.recent_commands AS "recentCommands", j.paused_at AS "pausedAt", j.created_at AS "createdAt", j.updated_at AS "updatedAt",
  (SELECT array_agg(e.downstream ORDER BY e.downstream) FROM edges e WHERE e.tenant = j.tenant AND e.upstream = j.job_id) AS downstreams`;

export type JobRow = Omit<
  Job,
  'state' | 'spec' | 'active' | 'buffered' | 'recentCommands' | 'appliedCommands' | 'downstreams'
> &
  Record<'state' | 'spec' | 'active' | 'buffered' | 'recentCommands', string> & { downstreams: string[] | null };

export function jobOf({ downstreams, ...row }: JobRow): Job {
  return {
    ...row,
    ...(downstreams === null ? {} : { downstreams }),
    state: row.state as JobState,
    spec: JSON.parse(row.spec) as JobSpec,
    active: JSON.parse(row.active) as ActiveRun[],
    buffered: JSON.parse(row.buffered) as BufferedRun[],
    ...commandsOf(JSON.parse(row.recentCommands) as (string | AppliedCommand)[]),
  };
}

function commandsOf(stored: readonly (string | AppliedCommand)[]): Pick<Job, 'recentCommands' | 'appliedCommands'> {
  const appliedCommands = stored.filter((each) => typeof each !== 'string');
  return {
    recentCommands: stored.filter((each) => typeof each === 'string'),
    ...(appliedCommands.length > 0 && { appliedCommands }),
  };
}

/** A `TimerRow`, as it is. */
export const TIMER_FIELDS = `t.partition, t.fire_at AS "fireAt", t.run_id AS "runId", t.kind, t.tenant, t.job_id AS "jobId",
  t.topic, t.due`;

export type StoredRunRow = Omit<StoredRun, 'due' | 'result' | 'error'> &
  Record<'due' | 'result' | 'errorCode' | 'errorMessage', string | null>;

export function storedRunOf({ errorCode, errorMessage, ...row }: StoredRunRow): StoredRun {
  return {
    ...row,
    due: row.due === null ? null : (JSON.parse(row.due) as DueRecord),
    result: row.result === null ? null : (JSON.parse(row.result) as unknown),
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
  };
}
