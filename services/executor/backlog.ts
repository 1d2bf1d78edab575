/**
 * Everything this executor has in hand, and of that what waits for a slot.
 *
 * Invariants: one task per run and attempt, so that no run is in this process twice (a record read again joins the task
 * that exists); a task is known from intake until it is finished or nobody needs it here.
 */
import { FairQueue } from '../core/fair-queue.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { InHand } from './in-hand.ts';
import type { Source, Task } from './task.ts';

/**
 * How long before its time a run is claimed, at the least; up to SPAN_MS earlier, since what is due within one span is claimed
 * together. Whoever starts it waits for its time.
 */
const CLAIM_AHEAD_MS = 20;
const SPAN_MS = 10;

export class Backlog {
  private readonly known = new Map<string, Task>();
  private readonly queue = new FairQueue<Task>(({ due }) => due.tenant);
  /** Waiting until they are nearly due, or until their row is looked at again: by the span in which they come. */
  private readonly spans = new Map<number, Task[]>();
  private delayed = 0;
  private readonly clock: Clock;
  private readonly inHand: InHand;
  private readonly onReady: () => void;

  /** @param onReady called whenever a task becomes ready for a slot */
  constructor(clock: Clock, inHand: InHand, onReady: () => void) {
    this.clock = clock;
    this.inHand = inHand;
    this.onReady = onReady;
  }

  /** The task of this run and attempt, if it is in hand already. */
  find(key: string): Task | undefined {
    return this.known.get(key);
  }

  /** Takes a new task in, with the offset that holds it (none: a parked one). */
  admit(task: Task, source: Source | null): void {
    if (source !== null) task.attach(source);
    this.known.set(task.key, task);
    this.wait(task, task.due.dueAt - CLAIM_AHEAD_MS);
  }

  /** Its row did not allow a claim, or changed under us: it comes back after `delayMs`. */
  lookAgain(task: Task, delayMs: number): void {
    task.looks++;
    this.wait(task, this.clock.now() + delayMs);
  }

  /**
   * Up to `limit` tasks by priority; each run once.
   * @param fits whether a slot is there for it, counting it
   * @param rounds one after the other, as long as something is left: which tenants take part
   */
  take(limit: number, fits: (task: Task) => boolean, rounds: readonly ((tenant: string) => boolean)[]): Task[] {
    const runs = new Set<string>();
    const fitsOnce = (task: Task): boolean => {
      if (runs.has(task.due.runId) || !fits(task)) return false;
      runs.add(task.due.runId);
      return true;
    };
    return rounds.flatMap((mayHave) => this.queue.take(limit - runs.size, fitsOnce, mayHave));
  }

  /** How many tasks of each tenant are ready for a slot. */
  readyByTenant(): ReadonlyMap<string, number> {
    return this.queue.sizeByTenant();
  }

  /** Takes waiting tasks out of the queue for another use; they stay known. */
  withdraw(matches: (task: Task) => boolean, limit = Infinity): Task[] {
    return this.queue.remove(matches, limit);
  }

  /** The task is finished, or somebody else's. */
  forget(task: Task): void {
    this.known.delete(task.key);
    this.inHand.move(task, null);
  }

  /** Partitions were lost: what waits for their records alone is their new owner's. */
  dropLost(): void {
    for (const task of this.queue.remove((each) => !each.mine)) this.forget(task);
  }

  /** Tasks that wait. */
  get waiting(): number {
    return this.queue.size() + this.delayed;
  }

  /** Whether a task in the queue matches. */
  someReady(matches: (task: Task) => boolean): boolean {
    return this.queue.some(matches);
  }

  /** Runs in hand that a row of `parked` holds, or soon will. */
  parkedRunIds(): string[] {
    return [...this.known.values()]
      .filter((task) => task.parked || task.parking !== null)
      .map((task) => task.due.runId);
  }

  /** How many tasks stand in the queue, ready for a slot. */
  get ready(): number {
    return this.queue.size();
  }

  private wait(task: Task, until: number): void {
    this.inHand.move(task, 'waiting');
    const now = this.clock.now();
    const span = Math.floor(until / SPAN_MS) * SPAN_MS;
    if (span <= now) return this.enter([task], now);
    this.delayed++;
    const others = this.spans.get(span);
    if (others !== undefined) return void others.push(task);
    this.spans.set(span, [task]);
    this.clock.after(span - now, () => this.begin(span));
  }

  private begin(span: number): void {
    const tasks = this.spans.get(span) ?? [];
    this.spans.delete(span);
    this.delayed -= tasks.length;
    const { mine = [], lost = [] } = Object.groupBy(tasks, (task) => (task.mine ? 'mine' : 'lost'));
    for (const task of lost) this.forget(task);
    this.enter(mine, this.clock.now());
  }

  private enter(tasks: readonly Task[], now: number): void {
    for (const task of tasks) {
      task.waitingSince = now;
      this.queue.push(task.priority, task);
    }
    this.onReady();
  }
}
