import type { Job, JobSpec } from '../core/model.ts';
import type { JobRef } from '../core/ports/timer-store.ts';
import type { CommandContext } from './applied.ts';

/** A job as its first command finds it: nothing is planned yet. */
export function newJob(
  { tenant, jobId }: JobRef,
  spec: JobSpec,
  { now, partition }: Pick<CommandContext, 'now' | 'partition'>,
): Job {
  return {
    tenant,
    jobId,
    partition,
    state: 'SCHEDULED',
    version: 1,
    spec,
    cancelGen: 0,
    anchorAt: now,
    nextAt: null,
    nextFireAt: null,
    runCount: 0,
    active: [],
    buffered: [],
    recentCommands: [],
    pausedAt: null,
    createdAt: now,
    updatedAt: now,
  };
}
