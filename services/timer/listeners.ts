/** How many jobs of a tenant may listen to one event: each emit asks all of them. */
import type { Command } from '../core/command.ts';
import { isOpen, type Job, type Schedule } from '../core/model.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { Rejection } from '../core/records.ts';
import { jobKey } from '../core/topics.ts';
import { RecentCounts } from './recent-counts.ts';

export const MAX_LISTENERS = 10_000;

export class Listeners {
  private readonly store: Pick<TimerStore, 'countListeners'>;
  /** By tenant and event. */
  private readonly counts: RecentCounts;

  constructor({ store, clock }: { store: Pick<TimerStore, 'countListeners'>; clock: Clock }) {
    this.store = store;
    this.counts = new RecentCounts(clock);
  }

  /** Reads what is needed to decide these commands; costs nothing where none listens. */
  async learn(commands: readonly Command[]): Promise<void> {
    const stale = new Map<string, { tenant: string; event: string }>();
    for (const command of commands) {
      const event = command.type === 'schedule' ? eventOf(command.job.schedule) : undefined;
      if (event === undefined) continue;
      const key = jobKey(command.tenant, event);
      if (this.counts.isStale(key)) stale.set(key, { tenant: command.tenant, event });
    }
    if (stale.size === 0) return;
    const counts = await this.store.countListeners([...stale.values()], MAX_LISTENERS);
    [...stale.keys()].forEach((key, index) => this.counts.set(key, counts[index]!));
  }

  /** A step was not stored: what was counted for it is not there, or the store counts it. */
  countAnew(): void {
    this.counts.clear();
  }

  /**
   * Why the job may not listen; asked of what would otherwise be applied, and counts it.
   * @param before the job as it was
   */
  refuse(before: Job | undefined, command: Command): Rejection | undefined {
    const event = command.type === 'schedule' ? eventOf(command.job.schedule) : undefined;
    if (event === undefined || (isOpen(before) && eventOf(before.spec.schedule) === event)) return undefined;
    const key = jobKey(command.tenant, event);
    const count = this.counts.of(key);
    if (count === undefined) return undefined;
    if (count < MAX_LISTENERS) {
      this.counts.add(key);
      return undefined;
    }
    const message = `${MAX_LISTENERS} jobs of the tenant listen to ${event} already, which is the most: let one job fan out, or emit events of several names`;
    return { code: 'quota', message, field: 'job.schedule.on' };
  }
}

function eventOf(schedule: Schedule): string | undefined {
  return schedule.kind === 'on' ? schedule.event : undefined;
}
