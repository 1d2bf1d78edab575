/**
 * An emit, at the owner of the event's partition: which jobs it concerns, as far as one step goes.
 *
 * Guarantee: a job whose schedule was acknowledged before the event was published is found. Its subscription was committed
 * with the schedule, before that answer; subscribers are read after the emit was read from the topic.
 * Exactly once: the step that applies a part remembers it, and writes its deliveries and the next part to its outbox.
 */
import { matches } from '../core/event-filter.ts';
import type { FanOutCommand } from '../core/internal-command.ts';
import type { Subscribers } from '../core/ports/timer-store.ts';

export type Emit = Omit<FanOutCommand, 'type'>;

/** What the emits of one step may still cost: work of filters and bytes of deliveries, both in bytes of payload. */
export class FanOutBudget {
  private deliveries = 1_000;
  private bytes = 4 * 1024 * 1024;

  get isSpent(): boolean {
    return this.deliveries <= 0 || this.bytes <= 0;
  }

  filtered(payloadBytes: number): void {
    this.bytes -= payloadBytes;
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

/** @param found the first subscribers after `emit.after` */
export function fanOut(emit: Emit, { subscribers, isAll }: Subscribers, budget: FanOutBudget): FannedOut {
  const { payload } = emit.event;
  const payloadBytes = OVERHEAD_BYTES + Buffer.byteLength(JSON.stringify(payload) ?? '');
  const jobIds: string[] = [];
  let [after, failed, seen] = [emit.after, 0, 0];
  for (const { jobId, filter } of subscribers) {
    if (budget.isSpent) break;
    const verdict = filter === null ? 'match' : matches(filter, payload);
    if (filter !== null) budget.filtered(payloadBytes);
    if (verdict === 'error') failed++;
    if (verdict === 'match') {
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
