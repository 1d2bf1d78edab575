/** The timers of one step: those that are due, in the order of their times, and those that the step itself added and that are due by now. */
import type { Job } from '../core/model.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import { jobKey } from '../core/topics.ts';
import type { TimerMetrics } from './deps.ts';
import { isMereStart, noEffects, type DecideContext } from './effects.ts';
import { failTimer } from './fail-timer.ts';
import { finishedOnce, fireOccurrence, fireReady } from './fire.ts';
import type { Gathered } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { Plan } from './plan.ts';
import { fireWaiting } from './waiting-run.ts';

export type StepTimersOptions = {
  gathered: Gathered;
  plan: Plan;
  /** ms */
  now: number;
  metrics: Pick<TimerMetrics, 'fired'>;
  marks: PositionMarks;
  contextOf: (job: Job | undefined) => DecideContext;
};

export class StepTimers {
  private readonly options: StepTimersOptions;
  private readonly plan: Plan;
  private readonly startedWaiting = new Set<string>();

  constructor(options: StepTimersOptions) {
    this.options = options;
    this.plan = options.plan;
  }

  fire(): void {
    const { gathered } = this.options;
    const stored = gathered.due.filter((timer) => !this.plan.isRemoved(timer));
    const added = this.plan.addedDue();
    for (const timer of added.length === 0 ? stored : [...stored, ...added].sort((a, b) => a.fireAt - b.fireAt)) {
      this.fireOne(timer);
    }
  }

  private fireOne(timer: TimerRow): void {
    const { gathered, marks } = this.options;
    marks.input(gathered.owned.partition, inputNames.timer(timer), jobKey(timer.tenant, timer.jobId));
    // What is decided a little ahead is decided as of its time.
    const now = Math.max(this.options.now, timer.fireAt);
    const verdict = gathered.condemned?.get(inputNames.timer(timer));
    if (verdict !== undefined) return this.fail(timer, verdict.reason, now);
    if (timer.kind === 'occurrence') return this.fireOccurrence(timer, now);
    this.strike(timer, now);
    const job = this.plan.job(timer);
    if (timer.kind === 'run') {
      if (job === undefined || this.startedWaiting.has(timer.runId)) return;
      this.startedWaiting.add(timer.runId);
      this.plan.merge(fireWaiting(job, timer, this.options.contextOf(job)));
      return;
    }
    this.plan.merge(fireReady(timer, job, this.options.contextOf(job)));
    if (timer.kind !== 'once') return;
    if (job === undefined) this.plan.finish(timer);
    else this.plan.setJob(finishedOnce(job, now));
  }

  private fail(timer: TimerRow, reason: string, now: number): void {
    this.strike(timer, now);
    const job = this.plan.job(timer);
    this.plan.merge(failTimer(timer, job, reason, this.options.contextOf(job)));
    if (timer.kind === 'once') this.plan.finish(timer);
  }

  private fireOccurrence(timer: TimerRow, now: number): void {
    const job = this.plan.job(timer);
    const effects = job === undefined ? noEffects() : fireOccurrence(job, { ...this.options.contextOf(job), now });
    if (job !== undefined && now > this.options.now && !isMereStart(job, effects)) return this.plan.leave(timer);
    this.strike(timer, now);
    this.plan.merge(effects);
  }

  private strike(timer: TimerRow, now: number): void {
    this.plan.strike(timer);
    this.options.metrics.fired(now - timer.fireAt);
  }
}
