/**
 * How many jobs of a tenant may listen to one event: each emit asks all of them.
 *
 * What the timer knows is up to KNOWN_MS old: the store's count, and what this process has accepted since. So a tenant may exceed the
 * bound by what other timer processes accept in KNOWN_MS, and never by what one accepts alone.
 */
import type { Command } from '../core/command.ts';
import { isOpen, type Job, type Schedule } from '../core/model.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { Rejection } from '../core/records.ts';
import { jobKey } from '../core/topics.ts';

export const MAX_LISTENERS = 10_000;
const KNOWN_MS = 2_000;
/** Events whose counts are remembered: their names are users' words. */
const MAX_KNOWN = 10_000;

export class Listeners {
  private readonly store: Pick<TimerStore, 'countListeners'>;
  private readonly clock: Clock;
  private readonly most: number;
  /** By tenant and event. */
  private readonly known = new Map<string, { count: number; at: number }>();

  constructor({ store, clock }: { store: Pick<TimerStore, 'countListeners'>; clock: Clock }, most = MAX_LISTENERS) {
    this.store = store;
    this.clock = clock;
    this.most = most;
  }

  /** Reads what is needed to decide these commands; costs nothing where none listens. */
  async learn(commands: readonly Command[]): Promise<void> {
    const now = this.clock.now();
    const stale = new Map<string, { tenant: string; event: string }>();
    for (const command of commands) {
      const event = command.type === 'schedule' ? eventOf(command.job.schedule) : undefined;
      if (event === undefined) continue;
      const key = jobKey(command.tenant, event);
      if (now - (this.known.get(key)?.at ?? -Infinity) >= KNOWN_MS) stale.set(key, { tenant: command.tenant, event });
    }
    if (stale.size === 0) return;
    const counts = await this.store.countListeners([...stale.values()], this.most);
    if (this.known.size + stale.size > MAX_KNOWN) this.known.clear();
    [...stale.keys()].forEach((key, index) => this.known.set(key, { count: counts[index]!, at: now }));
  }

  /** A step was not stored: what was counted for it is not there, or the store counts it. */
  countAnew(): void {
    this.known.clear();
  }

  /**
   * Why the job may not listen; asked of what would otherwise be applied, and counts it.
   * @param before the job as it was
   */
  refuse(before: Job | undefined, command: Command): Rejection | undefined {
    const event = command.type === 'schedule' ? eventOf(command.job.schedule) : undefined;
    if (event === undefined || (isOpen(before) && eventOf(before.spec.schedule) === event)) return undefined;
    const known = this.known.get(jobKey(command.tenant, event));
    if (known === undefined) return undefined;
    if (known.count < this.most) {
      known.count++;
      return undefined;
    }
    const message = `${this.most} jobs of the tenant listen to ${event} already, which is the most: let one job fan out, or emit events of several names`;
    return { code: 'quota', message, field: 'job.schedule.on' };
  }
}

function eventOf(schedule: Schedule): string | undefined {
  return schedule.kind === 'on' ? schedule.event : undefined;
}
