/**
 * Records that nobody can apply, on each of Belfry's topics: bytes that are nothing, names and numbers that no database takes, and commands
 * whose statements never end. Whoever writes them has a tenant of their own; what is asked of the others is that they do not notice.
 */
import { partitionOf } from '../../services/core/murmur2.ts';
import { jobKey, type Intake } from '../../services/core/topics.ts';
import { LAST_COMMAND_AT } from './life.ts';
import type { Random } from './random.ts';

export const POISON = 'poison';
/** On each such record, so that it can be told among the rejected. */
export const POISON_HEADER = 'x-poison';

export type PoisonRecord = {
  at: number;
  topic: Intake;
  partition: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: Readonly<Record<string, string>>;
};

const NUL = 'a\u0000b';
/** All retries that are poison are of this run. */
export const POISON_RUN = '0199a000-0000-8000-8000-000000000001';
const JOB = { type: 'CUSTOM', handler: 'quick', schedule: { in: '1s' } };

type Content = { key?: string | null; value: Buffer | string | object | null; headers?: Record<string, string> };

function command(fields: object): Content {
  return {
    key: null,
    value: { type: 'schedule', commandId: 'poison', tenant: POISON, jobId: 'job', job: JOB, ...fields },
  };
}

function retry(fields: object): Content {
  const due = {
    ...{
      runId: POISON_RUN,
      tenant: POISON,
      jobId: 'job',
      jobVersion: 1,
      type: 'CUSTOM',
      handler: 'quick',
      queue: 'default',
    },
    ...{
      priority: 'medium',
      payload: {},
      labels: {},
      trigger: 'schedule',
      cause: 'x',
      replayOf: null,
      idempotencyKey: POISON_RUN,
    },
    ...{
      scheduledFor: 0,
      dueAt: 0,
      attempt: 2,
      timeoutMs: 1_000,
      delivery: 'at_least_once',
      cancelGen: 0,
      tracked: false,
    },
    ...{
      retry: { maxRetries: 1, initialDelayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
      failures: [],
      traceparent: null,
    },
    ...fields,
  };
  return { key: jobKey(due.tenant, due.jobId), value: due };
}

function outcome(key: string, headers: Record<string, string>): Content {
  const time = '2026-01-01T00:00:00.000Z';
  return {
    key,
    value: '{}',
    headers: { belfry_tracked: '1', ce_subject: POISON_RUN, ce_time: time, ce_type: 'x', ...headers },
  };
}

const CONTENTS: Readonly<Record<Intake, readonly (() => Content)[]>> = {
  commands: [
    () => ({ value: Buffer.from([0xff, 0xfe, 0x00, 0x7b]) }),
    () => ({ value: null }),
    () => ({ value: '[[[[' }),
    () => command({ type: 'levitate' }),
    () => command({ tenant: NUL }),
    () => command({ jobId: 'half \ud83d of it' }),
    () => command({ job: { ...JOB, retry: { maxRetries: 1e300 } } }),
    () => command({ job: { ...JOB, schedule: { in: '99999999999999999d' } } }),
  ],
  retry: [
    () => ({ value: Buffer.from([0xff, 0x00]) }),
    () => retry({ tenant: NUL }),
    () => retry({ jobId: NUL }),
    () => retry({ jobId: 'half \ud83d of it' }),
    () => retry({ runId: 'no run' }),
    () => retry({ dueAt: Number.MAX_SAFE_INTEGER + 1 }),
    () => retry({ dueAt: -1e300 }),
    () => retry({ queue: 'nowhere' }),
    () => retry({ type: 'KAFKA_MESSAGE', payload: null }),
    () => retry({ type: 'KAFKA_MESSAGE', payload: { topic: 'job.completed', value: 'x' } }),
  ],
  completed: [
    () => outcome(jobKey(NUL, 'job'), {}),
    () => outcome(jobKey(POISON, NUL), {}),
    () => outcome(jobKey(POISON, 'job'), { ce_subject: 'no run' }),
    () => outcome(jobKey(POISON, 'job'), { ce_time: '+275760-09-13T00:00:00.000Z' }),
    () => outcome('no job', {}),
  ],
};

/** @param partitions of each topic */
export function poisonOf(random: Random, partitions: number): PoisonRecord[] {
  const count = random.int(4, 14);
  return Array.from({ length: count }, () => {
    const topic = random.weighted<Intake>({ commands: 3, retry: 4, completed: 2 });
    const { key = null, value, headers = {} } = random.pick(CONTENTS[topic])();
    const bytes = value === null || Buffer.isBuffer(value) ? value : Buffer.from(textOf(value));
    return {
      at: random.int(500, LAST_COMMAND_AT - 1_000),
      ...{ topic, partition: key === null ? random.int(0, partitions - 1) : partitionOf(key, partitions) },
      ...{ key: key === null ? null : Buffer.from(key), value: bytes, headers: { ...headers, [POISON_HEADER]: '1' } },
    };
  });
}

/** A command that is in order, for a job whose steps never end (`isEndless`). */
export function endlessOf(random: Random, partitions: number): PoisonRecord {
  const jobId = `endless-${random.int(1, 99)}`;
  const key = jobKey(POISON, jobId);
  const value = Buffer.from(textOf(command({ jobId }).value as object));
  const at = random.int(2_000, LAST_COMMAND_AT - 5_000);
  const headers = { [POISON_HEADER]: '1' };
  return { at, topic: 'commands', partition: partitionOf(key, partitions), key: Buffer.from(key), value, headers };
}

export function isEndless({ tenant, jobId }: { tenant: string; jobId: string }): boolean {
  return tenant === POISON && jobId.startsWith('endless-');
}

function textOf(value: string | object): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
