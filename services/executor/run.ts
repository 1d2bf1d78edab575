/**
 * One attempt in progress: runs the handler, and comes to exactly one verdict.
 *
 * Invariants: the first verdict stands, whatever the handler does later; a committed transaction is the verdict,
 * whatever else happened; no verdict while a transaction is open (its outcome is unknown); after an abort the verdict
 * waits for the handler, so that a retry does not overlap it, but no longer than the grace of the reason; the slot is
 * held until the handler settles, 30 s after the abort at most.
 */
import type { ClientBase } from 'pg';
import { BelfryError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { RunStore, RunTransaction, Settled, Settlement } from '../core/ports/run-store.ts';
import type { JobInput } from '../core/spec/input.ts';
import { parseCommand } from '../core/spec/parse-command.ts';
import { jobKey } from '../core/topics.ts';
import { contextOf } from './context.ts';
import type { Handler, ScheduleWithin } from './handlers/handler.ts';
import type { RunPolicy } from './policy.ts';
import { completed, describe, failed, thrown, type Completed, type Failed } from './result.ts';
import type { OwnedRun, Task } from './task.ts';

export type AbortReason = 'timeout' | 'cancelled' | 'lost_lease' | 'shutdown';

export type Verdict =
  | Completed
  | Failed
  | { kind: 'cancelled' }
  /** Aborted through no fault of its own: another executor runs it from the start. */
  | { kind: 'handed_back' }
  /** `ctx.transaction` has settled it already. */
  | { kind: 'committed'; settlement: Settlement; settled: Settled };

/** How long a verdict waits for the handler after an abort. */
const GRACE_MS: Record<AbortReason, number> = {
  timeout: 30_000,
  cancelled: 5_000,
  lost_lease: 30_000,
  shutdown: 2_000,
};
const LONGEST_HOLD_MS = 30_000;
const TRANSACTION_MS = 30_000;
/** What an installation refuses beyond this, its timer refuses. */
const ANY_INSTALLATION = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };

export type AttemptDeps = {
  clock: Clock;
  store: RunStore;
  log: Log;
  /** Attempts that ended without their handler, until it ends, too. */
  abandoned?: Set<Attempt>;
  marks?: PositionMarks;
};

export class Attempt {
  /** Never rejects. */
  readonly verdict: Promise<Verdict>;
  /** When the slot is free again; never rejects. */
  readonly released: Promise<void>;
  readonly deadlineAt: number;
  /** The latest progress not yet written. */
  progress: { fraction: number; note: string | null } | null = null;

  private readonly deps: AttemptDeps;
  private readonly task: Task;
  private readonly owned: OwnedRun;
  private readonly policy: RunPolicy;
  /** Made when somebody looks at the signal: most handlers never do, and it is dear. */
  private abortion: AbortController | undefined;
  private readonly timers: (() => void)[] = [];
  private readonly giveVerdict: (verdict: Verdict) => void;
  private readonly release: () => void;
  private reason: AbortReason | undefined;
  private decided = false;
  private transaction: Promise<void> | undefined;
  private committed: Verdict | undefined;
  /** While the handler's transaction is open. */
  private open: RunTransaction | undefined;
  private schedules = 0;

  constructor(deps: AttemptDeps, task: Task, owned: OwnedRun, handler: Handler, policy: RunPolicy) {
    this.deps = deps;
    this.task = task;
    this.owned = owned;
    this.policy = policy;
    this.deadlineAt = deps.clock.now() + policy.timeoutMs;
    ({ promise: this.verdict, resolve: this.giveVerdict } = Promise.withResolvers<Verdict>());
    ({ promise: this.released, resolve: this.release } = Promise.withResolvers<void>());
    this.timers.push(deps.clock.after(policy.timeoutMs, () => this.abort('timeout')));
    void this.work(handler).then((own) => this.ended(own));
  }

  /** Signals the handler; the first reason stands, a later one may only shorten the wait. */
  abort(reason: AbortReason): void {
    if (this.decided) return;
    const first = this.reason === undefined;
    this.reason ??= reason;
    this.timers.push(this.deps.clock.after(GRACE_MS[reason], () => this.abandon()));
    if (!first) return;
    this.timers.push(this.deps.clock.after(LONGEST_HOLD_MS, () => this.release()));
    this.abortion?.abort(why(reason));
  }

  /** Never rejects: whatever the handler does is a value. */
  private async work(handler: Handler): Promise<Completed | Failed> {
    let payload: unknown = this.task.due.payload;
    try {
      const validation = await handler.validate?.(payload);
      if (validation?.ok === false) return failed('payload_invalid', validation.message, { retryable: false });
      if (validation !== undefined) payload = validation.value;
    } catch (error) {
      return failed('payload_invalid', describe(error), { retryable: false });
    }
    try {
      return completed(await this.begin(handler, payload));
    } catch (error) {
      return thrown(error);
    }
  }

  /** What the handler does until it waits for the first time. */
  private begin(handler: Handler, payload: unknown): unknown {
    const { marks } = this.deps;
    const { runId, tenant, jobId } = this.task.due;
    marks?.input(null, `run ${runId}`, jobKey(tenant, jobId));
    try {
      return handler.run(this.context(payload));
    } finally {
      marks?.clear();
    }
  }

  private context(payload: unknown): ReturnType<typeof contextOf> {
    return contextOf({
      due: this.task.due,
      maxAttempts: this.policy.maxAttempts,
      payload,
      signal: () => this.signal(),
      log: this.deps.log,
      progress: (fraction, note) => (this.progress = { fraction, note }),
      transaction: (fn) => this.transact(fn),
      schedule: (jobId, job, options) => this.schedule(jobId, job, options),
    });
  }

  private signal(): AbortSignal {
    if (this.abortion === undefined) {
      this.abortion = new AbortController();
      if (this.reason !== undefined) this.abortion.abort(why(this.reason));
    }
    return this.abortion.signal;
  }

  /** The handler settled. */
  private ended(own: Completed | Failed): void {
    this.deps.abandoned?.delete(this);
    if (this.committed !== undefined && own.kind === 'failed') {
      this.deps.log.warn(
        { runId: this.task.due.runId, reason: own.error.message },
        'a handler threw after its transaction had completed the run',
      );
    } else if (this.decided) {
      this.deps.log.info({ runId: this.task.due.runId }, 'an abandoned handler came to its end');
    }
    this.decide(this.judge(own));
    for (const cancel of this.timers) cancel();
    this.release();
  }

  /** The handler has not settled within the grace of an abort. */
  private abandon(): void {
    if (this.decided) return;
    this.deps.log.warn(
      { runId: this.task.due.runId, abandoned: true },
      'a handler goes on after its abort signal, its run ends without it',
    );
    this.deps.abandoned?.add(this);
    this.decide(this.judge(undefined));
  }

  /** @param own how the handler ended; undefined: it has not */
  private judge(own: Completed | Failed | undefined): Verdict {
    switch (this.reason) {
      case undefined:
        return own ?? failed('handler_error', 'the handler did not end');
      case 'timeout': {
        const late = own === undefined ? '; abandoned: it did not stop within 30 s of its abort signal' : '';
        const { timeoutMs, isCapped } = this.policy;
        const cap = isCapped ? ', the most that BELFRY_MAX_TIMEOUT allows' : '';
        return failed('timeout', `the handler did not end within ${timeoutMs} ms${cap}${late}`);
      }
      case 'cancelled':
        return { kind: 'cancelled' };
      case 'lost_lease':
      case 'shutdown':
        // A result is a result: the settle decides, by the token, whether it still counts.
        return own?.kind === 'completed' ? own : { kind: 'handed_back' };
    }
  }

  private decide(verdict: Verdict): void {
    if (this.decided) return;
    this.decided = true;
    void (this.transaction ?? Promise.resolve()).then(() => this.giveVerdict(this.committed ?? verdict));
  }

  private transact<T>(fn: (client: ClientBase) => Promise<T>): Promise<T> {
    if (this.transaction !== undefined) return Promise.reject(over('a run has one transaction, its last act'));
    if (this.decided || this.reason !== undefined) return Promise.reject(over('the run was aborted'));
    const work = this.commit(fn);
    const ignore = (): void => undefined;
    this.transaction = work.then(ignore, () => {
      // Rolled back: the handler may try again.
      this.transaction = undefined;
    });
    return work;
  }

  private async commit<T>(fn: (client: ClientBase) => Promise<T>): Promise<T> {
    const { store } = this.deps;
    const { lease } = this.owned.incarnation;
    const [value, verdict] = await store.transaction(lease, TRANSACTION_MS, async (transaction) => {
      // The database may have let it wait: what was aborted meanwhile may be under way elsewhere.
      if (this.reason !== undefined) throw over('the run was aborted');
      this.open = transaction;
      const own = await fn(transaction.client as ClientBase).finally(() => (this.open = undefined));
      const settlement = this.completion(completed(own));
      const settled = await transaction.settle(settlement);
      if (settled === undefined) throw new BelfryError('lease_lost', 'another executor has taken this run over');
      return [own, { kind: 'committed', settlement, settled } as const] as const;
    });
    this.committed = verdict;
    return value;
  }

  /** The same number of the same run is the same command: what an earlier attempt scheduled is not scheduled again. */
  private async schedule(jobId: string, job: JobInput, options: ScheduleWithin = {}): Promise<void> {
    this.schedules++;
    if (this.decided) throw over('the run has ended');
    const { tenant, idempotencyKey } = this.task.due;
    const { commandId = `${idempotencyKey}.${this.schedules}`, ifExists } = options;
    const command = { type: 'schedule', commandId, tenant, jobId, ...(ifExists && { ifExists }), job };
    const checked = parseCommand(command, ANY_INSTALLATION);
    if ('rejection' in checked) {
      const { code, message, field } = checked.rejection;
      throw new BelfryError(code, message, { field, ids: { tenant, jobId } });
    }
    await (this.open ?? this.deps.store).enqueue(command);
  }

  private completion(own: Completed | Failed): Settlement {
    if (own.kind === 'failed') throw new BelfryError('result_invalid', own.error.message);
    const { runId, attempt } = this.task.due;
    const { result, truncated: resultTruncated } = own;
    return {
      runId,
      token: this.owned.token,
      status: 'COMPLETED',
      attempt,
      retryInMs: null,
      result,
      resultTruncated,
      error: null,
      due: null,
    };
  }
}

function why(reason: AbortReason): BelfryError {
  return new BelfryError(reason, `the run was aborted: ${reason.replace('_', ' ')}`);
}

function over(message: string): BelfryError {
  return new BelfryError('attempt_over', message);
}
