import type { ClientBase } from 'pg';
import type { Log } from '../core/ports/log.ts';
import type { DueRecord } from '../core/records.ts';
import type { HandlerContext } from './handlers/handler.ts';

export type ContextParts = {
  due: DueRecord;
  maxAttempts: number;
  payload: unknown;
  signal: () => AbortSignal;
  log: Log;
  progress: (fraction: number, note: string | null) => void;
  transaction: <T>(fn: (client: ClientBase) => Promise<T>) => Promise<T>;
  schedule: HandlerContext['schedule'];
};

/** What a handler gets; its logger and its signal are made only when they are asked for. */
export function contextOf({
  due,
  maxAttempts,
  payload,
  signal,
  log,
  progress,
  transaction,
  schedule,
}: ContextParts): HandlerContext {
  let logger: Log | undefined;
  return {
    runId: due.runId,
    tenant: due.tenant,
    jobId: due.jobId,
    scheduledFor: new Date(due.scheduledFor),
    attempt: due.attempt,
    maxAttempts,
    trigger: due.trigger,
    payload,
    labels: due.labels,
    idempotencyKey: due.idempotencyKey,
    traceparent: due.traceparent,
    event: due.event ?? null,
    get signal() {
      return signal();
    },
    get logger() {
      return (logger ??= log.child({ runId: due.runId, tenant: due.tenant, jobId: due.jobId, attempt: due.attempt }));
    },
    progress: (fraction, note) => {
      if (typeof fraction === 'number' && !Number.isNaN(fraction))
        progress(Math.min(1, Math.max(0, fraction)), note ?? null);
    },
    transaction,
    schedule,
  };
}
