/**
 * Files of jobs, YAML or JSON, for `apply`, `export` and `import`:
 *
 *   name: shop            # whose jobs these are, for apply --prune; default: apply
 *   tenant: shop          # of all jobs that name none; default: the caller's
 *   jobs:
 *     - jobId: nightly
 *       type: CUSTOM      # and the other fields of a job
 */
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { z } from 'zod';
import { BelfryError, messageOf } from '../core/errors.ts';
import { MANAGED_BY } from '../core/managed.ts';
import type { JobSpec } from '../core/model.ts';
import type { JobView } from '../core/resources.ts';
import { flag, name, record } from '../core/spec/fields.ts';
import type { JobInput } from '../core/spec/input.ts';
import { JOB_ID, LABEL_VALUE, TENANT } from '../core/spec/names.ts';
import { parseJobSpec, readJobSpec } from '../core/spec/parse-command.ts';
import { rejectionOf } from '../core/spec/problems.ts';
import { toWireJob } from '../core/spec/to-wire.ts';
import { jobKey } from '../core/topics.ts';
import type { CliDeps } from './deps.ts';
import { usageError } from './exit.ts';
import { parseYaml } from './yaml-text.ts';

/** A job of a file. */
export type FiledJob = {
  tenant: string;
  jobId: string;
  /** Said by the file; undefined: as it is. */
  paused: boolean | undefined;
  job: JobInput;
  spec: JobSpec;
};
export type JobsFile = { name: string; jobs: FiledJob[] };

const DEFAULT_NAME = 'apply';
/** What an installation refuses, its timer refuses. */
const PERMISSIVE = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };

const entrySchema = z.looseObject({
  jobId: name(JOB_ID),
  tenant: name(TENANT).optional(),
  paused: flag.optional(),
});
const fileSchema = record('a file of jobs', {
  name: name({ ...LABEL_VALUE, holds: (text) => text !== '' && LABEL_VALUE.holds(text) }).default(DEFAULT_NAME),
  tenant: name(TENANT).optional(),
  jobs: z.array(entrySchema, { error: 'must be a list of jobs' }),
});

/**
 * Reads a file; all of its jobs are checked, so that a mistake in one leaves the others alone, too.
 * @param path `-` is standard input
 * @throws BelfryError `usage` for what is no such file; `invalid` for a job that no timer would take, its field named
 */
export async function readJobsFile(deps: Pick<CliDeps, 'readFile' | 'tenant'>, path: string): Promise<JobsFile> {
  const written = parseYaml(path, await textOf(deps, path));
  const { data, error } = fileSchema.safeParse(written);
  if (error !== undefined) throw usageError(`${path}: ${rejectionOf(error, written, 'the file').message}.`);
  const ofAll = data.tenant ?? (await deps.tenant());
  const jobs = data.jobs.map((entry, index) => filedJob(entry, ofAll, `${path}: jobs[${index}]`));
  const seen = new Set<string>();
  for (const { tenant, jobId } of jobs) {
    const key = jobKey(tenant, jobId);
    if (seen.has(key)) throw usageError(`${path}: the job ${key} is in it twice.`);
    seen.add(key);
  }
  return { name: data.name, jobs };
}

/** The file that `apply` and `import` take, every job as briefly as it can be said. */
export function writeJobsFile(jobs: readonly JobView[], format: 'yaml' | 'json'): string {
  const tenants = new Set(jobs.map(({ tenant }) => tenant));
  const [only] = tenants;
  const file = {
    ...(tenants.size === 1 && only !== 'default' ? { tenant: only } : {}),
    jobs: jobs.map((job) => ({
      jobId: job.jobId,
      ...(tenants.size > 1 ? { tenant: job.tenant } : {}),
      ...(job.state === 'PAUSED' ? { paused: true } : {}),
      ...briefly(fixed(job)),
    })),
  };
  return format === 'json' ? JSON.stringify(file, null, 2) : stringify(file, { lineWidth: 120 }).trimEnd();
}

/** The job with the label of the file that keeps it. */
export function managed({ job, spec }: FiledJob, by: string): { job: JobInput; spec: JobSpec } {
  const labels = { ...spec.labels, [MANAGED_BY]: by };
  return { job: { ...job, labels }, spec: { ...spec, labels } };
}

async function textOf(deps: Pick<CliDeps, 'readFile'>, path: string): Promise<string> {
  try {
    return await deps.readFile(path);
  } catch (error) {
    throw usageError(`The file ${path} cannot be read: ${messageOf(error)}`);
  }
}

function filedJob(entry: z.output<typeof entrySchema>, ofAll: string, where: string): FiledJob {
  const { jobId, tenant = ofAll, paused, ...job } = entry;
  const spec = parseJobSpec(job, PERMISSIVE);
  if (!('rejection' in spec)) return { tenant, jobId, paused, job: job as JobInput, spec };
  const { code, message, field } = spec.rejection;
  throw new BelfryError(code, `${where} (${jobId}): ${message}`, { field, ids: { tenant, jobId } });
}

/** `in` counts from a command: what waits is written as the time that it waits for. */
function fixed({ spec, nextAt }: JobView): JobSpec {
  return spec.schedule.kind === 'in' && nextAt !== null ? { ...spec, schedule: { kind: 'at', at: nextAt } } : spec;
}

/** Without what is the default anyway, and means the same when it is not said. */
function briefly(spec: JobSpec): object {
  const whole = toWireJob(spec);
  const wire = { ...whole } as Record<string, unknown>;
  const means = (job: object): boolean => {
    const read = readJobSpec(job);
    return !('rejection' in read) && isDeepStrictEqual(toWireJob(read), whole);
  };
  for (const key of Object.keys(wire)) {
    const { [key]: value, ...without } = wire;
    if (means(without)) delete wire[key];
    else if (key !== 'payload' && key !== 'labels' && typeof value === 'object' && value !== null) {
      const inner = { ...(value as Record<string, unknown>) };
      wire[key] = inner;
      for (const field of Object.keys(inner)) {
        const { [field]: _dropped, ...rest } = inner;
        if (means({ ...wire, [key]: rest })) delete inner[field];
      }
    }
  }
  return wire;
}
