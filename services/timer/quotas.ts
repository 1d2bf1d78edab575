/**
 * Quotas of tenants, as far as commands are concerned: how many jobs, how large payloads, how short intervals, which queue.
 *
 * What the timer knows is up to KNOWN_MS old.
 */
import type { Command } from '../core/command.ts';
import type { NotifyCommand } from '../core/internal-command.ts';
import { isOpen, type Job, type JobSpec, type Schedule } from '../core/model.ts';
import { nextOccurrence } from '../core/occurrences/schedule.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Tenant, Tenants } from '../core/ports/tenants.ts';
import type { Rejection } from '../core/records.ts';
import { formatDuration } from '../core/spec/duration.ts';
import { KNOWN_MS, RecentCounts } from './recent-counts.ts';

/** Gaps between so many occurrences of a cron are looked at. */
const OCCURRENCES = 50;

export class TenantQuotas {
  private readonly tenants: Tenants;
  private readonly clock: Clock;
  private known = new Map<string, Tenant>();
  private readAt = -Infinity;
  private readonly counts: RecentCounts;

  constructor(tenants: Tenants, clock: Clock) {
    this.tenants = tenants;
    this.clock = clock;
    this.counts = new RecentCounts(clock);
  }

  /** Reads what is needed to decide these commands; costs nothing where there are none. */
  async learn(commands: readonly (Command | NotifyCommand)[]): Promise<void> {
    if (commands.length === 0) return;
    const now = this.clock.now();
    if (now - this.readAt >= KNOWN_MS) {
      this.known = new Map((await this.tenants.list()).map((each) => [each.tenant, each]));
      this.readAt = now;
    }
    if (this.known.size === 0) return;
    const counted = commands.filter(
      ({ type, tenant }) => type === 'schedule' && typeof this.known.get(tenant)?.jobs === 'number',
    );
    const stale = new Set(counted.map(({ tenant }) => tenant).filter((tenant) => this.counts.isStale(tenant)));
    if (stale.size === 0) return;
    const counts = await this.tenants.countJobs([...stale]);
    for (const tenant of stale) this.counts.set(tenant, counts.get(tenant) ?? 0);
  }

  /** A step was not stored: what was counted for it is not there, or the store counts it. */
  countAnew(): void {
    this.counts.clear();
  }

  /** Where all runs of the tenant go; undefined: it has no such quota. */
  queueOf(tenant: string): string | undefined {
    return this.known.get(tenant)?.queue ?? undefined;
  }

  /** The command with its tenant's queue, where that has one and the job names none. */
  routed<C extends Command>(command: C): C {
    const queue = this.queueOf(command.tenant);
    if (queue === undefined || command.type !== 'schedule' || command.job.queue !== 'default') return command;
    return { ...command, job: { ...command.job, queue } };
  }

  /**
   * Why the tenant may not have this; asked of what would otherwise be applied, and counts a job that is new.
   * @param before the job as it was
   */
  refuse(before: Job | undefined, command: Command, now: number): Rejection | undefined {
    const tenant = this.known.get(command.tenant);
    if (tenant === undefined) return undefined;
    if (command.type === 'trigger' && command.hasPayload) return largePayload(tenant, command.payload, 'payload');
    if (command.type !== 'schedule') return undefined;
    return (
      otherQueue(tenant, command.job) ??
      largePayload(tenant, command.job.payload, 'job.payload') ??
      shortInterval(tenant, command.job.schedule, now) ??
      this.tooManyJobs(tenant, before)
    );
  }

  private tooManyJobs({ tenant, jobs: most }: Tenant, before: Job | undefined): Rejection | undefined {
    const count = this.counts.of(tenant);
    if (most === null || count === undefined || isOpen(before)) return undefined;
    if (count >= most) return quota(tenant, 'jobs', String(most), `it has ${count}`, 'jobId');
    this.counts.add(tenant);
    return undefined;
  }
}

function otherQueue({ tenant, queue }: Tenant, job: JobSpec): Rejection | undefined {
  if (queue === null || job.queue === queue) return undefined;
  return quota(tenant, 'queue', queue, `the job names ${job.queue}`, 'job.queue');
}

function largePayload({ tenant, payloadBytes }: Tenant, payload: unknown, field: string): Rejection | undefined {
  const bytes = payloadBytes === null ? 0 : Buffer.byteLength(JSON.stringify(payload) ?? '');
  if (payloadBytes === null || bytes <= payloadBytes) return undefined;
  return quota(tenant, 'payload-bytes', String(payloadBytes), `this one has ${bytes}`, field);
}

function shortInterval({ tenant, minIntervalMs }: Tenant, schedule: Schedule, now: number): Rejection | undefined {
  if (minIntervalMs === null) return undefined;
  const interval = shortestOf(schedule, now);
  if (interval >= minIntervalMs) return undefined;
  const own = `this one has ${formatDuration(interval)}`;
  return quota(tenant, 'min-interval', formatDuration(minIntervalMs), own, 'job.schedule');
}

/** Ms between two occurrences, at the least. */
function shortestOf(schedule: Schedule, now: number): number {
  if (schedule.kind === 'every') return schedule.everyMs;
  if (schedule.kind === 'fixedDelay') return schedule.delayMs;
  if (schedule.kind !== 'cron') return Infinity;
  let shortest = Infinity;
  let at = nextOccurrence(schedule, now, now);
  for (let count = 0; at !== null && count < OCCURRENCES; count++) {
    const next = nextOccurrence(schedule, now, at);
    if (next !== null) shortest = Math.min(shortest, next - at);
    at = next;
  }
  return shortest;
}

function quota(tenant: string, name: string, limit: string, present: string, field: string): Rejection {
  const message = `the tenant ${tenant} has the quota ${name} ${limit}, and ${present}; whoever runs Belfry can change it: belfry tenants set ${tenant} --${name} …`;
  return { code: 'quota', message, field };
}
