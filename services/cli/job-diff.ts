/** What a file of jobs changes: pure. */
import { fieldChanges, type FieldChange } from '../core/field-changes.ts';
import { isOpen, type JobSpec } from '../core/model.ts';
import type { JobView } from '../core/resources.ts';
import { toWireJob } from '../core/spec/to-wire.ts';
import { jobKey } from '../core/topics.ts';
import { managed, type FiledJob, type JobsFile } from './jobs-file.ts';

export type Change =
  | { kind: 'added'; filed: FiledJob }
  | { kind: 'changed'; filed: FiledJob; stored: JobView; fields: FieldChange[] }
  | { kind: 'unchanged'; filed: FiledJob };

export type Difference = {
  changes: Change[];
  /** Kept by this file once, not in it any more, and not at their end. */
  toPrune: JobView[];
};

/**
 * @param stored the present jobs that the file names, by `tenant/jobId`
 * @param kept all jobs that this file's name keeps
 */
export function differenceOf(
  file: JobsFile,
  stored: ReadonlyMap<string, JobView>,
  kept: readonly JobView[],
): Difference {
  const named = new Set(file.jobs.map(({ tenant, jobId }) => jobKey(tenant, jobId)));
  return {
    changes: file.jobs.map((filed) => changeOf(filed, file.name, stored.get(jobKey(filed.tenant, filed.jobId)))),
    toPrune: kept.filter((job) => isOpen(job) && !named.has(jobKey(job.tenant, job.jobId))),
  };
}

/** A job that was cancelled is scheduled again; one that has finished is left so unless the file changed it. */
function changeOf(filed: FiledJob, by: string, stored: JobView | undefined): Change {
  if (stored === undefined) return { kind: 'added', filed };
  const fields = fieldChanges(wireOf(stored.spec), wireOf(managed(filed, by).spec));
  if (stored.state === 'CANCELLED') fields.push({ field: 'state', from: 'CANCELLED', to: 'SCHEDULED' });
  const isPaused = stored.state === 'PAUSED';
  if (filed.paused !== undefined && filed.paused !== isPaused && stored.state !== 'FINISHED')
    fields.push({ field: 'paused', from: isPaused, to: filed.paused });
  return fields.length === 0 ? { kind: 'unchanged', filed } : { kind: 'changed', filed, stored, fields };
}

const wireOf = (spec: JobSpec): unknown => toWireJob(spec);
