/**
 * An emit, at the owner of the event's partition: which jobs it concerns, as far as one step goes.
 *
 * Guarantee: a job whose schedule was acknowledged before the event was published is found. Its subscription was committed
 * with the schedule, before that answer; subscribers are read after the emit was read from the topic.
 * Exactly once: the step that applies a part remembers it, and writes its deliveries and the next part to its outbox.
 */
import { matches, type Verdict } from '../core/filter/event-filter.ts';
import type { FanOutCommand } from '../core/internal-command.ts';
import type { Subscribers } from '../core/ports/timer-store.ts';

export type Emit = Omit<FanOutCommand, 'type'>;

/**
 * What the emits of one step may still cost: deliveries, their bytes of payload, and the work of filters (as `matches` counts it:
 * about a nanosecond a unit). The last filter may go beyond it, by `MAX_WORK` at most.
 */
export class FanOutBudget {
  private deliveries = 1_000;
  private bytes = 4 * 1024 * 1024;
  private work = 8 * 1024 * 1024;

  get isSpent(): boolean {
    return this.deliveries <= 0 || this.bytes <= 0 || this.work <= 0;
  }

  filtered(work: number): void {
    this.work -= OVERHEAD_WORK + work;
  }

  delivered(payloadBytes: number): void {
    this.deliveries -= 1;
    this.bytes -= payloadBytes;
  }
}

export type FannedOut = {
  jobIds: string[];
  /** Filters that failed on this event. */
  failed: number;
  /** What is left to do; undefined: nothing. */
  rest: Emit | undefined;
};

/** The least that an event costs besides its payload. */
const OVERHEAD_BYTES = 200;
/** The least that the evaluation of a filter costs. */
const OVERHEAD_WORK = 1_000;

/** @param found the first subscribers after `emit.after` */
export function fanOut(emit: Emit, { subscribers, isAll }: Subscribers, budget: FanOutBudget): FannedOut {
  const { payload } = emit.event;
  const payloadBytes = OVERHEAD_BYTES + Buffer.byteLength(JSON.stringify(payload) ?? '');
  const jobIds: string[] = [];
  let [after, failed, seen] = [emit.after, 0, 0];
  for (const { jobId, filter } of subscribers) {
    if (budget.isSpent) break;
    const outcome = filter === null ? 'match' : judge(filter, payload, budget);
    if (outcome === 'error') failed++;
    if (outcome === 'match') {
      jobIds.push(jobId);
      budget.delivered(payloadBytes);
    }
    after = jobId;
    seen++;
  }
  const matched = emit.matched + jobIds.length;
  const isDone = isAll && seen === subscribers.length;
  return { jobIds, failed, rest: isDone ? undefined : { ...emit, after, matched, part: emit.part + 1 } };
}

function judge(filter: string, payload: unknown, budget: FanOutBudget): Verdict['outcome'] {
  const { outcome, work } = matches(filter, payload);
  budget.filtered(work);
  return outcome;
}
