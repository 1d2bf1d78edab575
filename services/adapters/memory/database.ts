/**
 * The memory adapters' tables: what PostgreSQL holds, as maps. The timer store and the run store of one simulated
 * cluster share one instance, as the real ones share one database.
 *
 * Invariant: every port method reads and writes it without awaiting in between, so each is atomic, as a statement is.
 */
import type { AuditEntry } from '../../core/audit.ts';
import type { SystemJob } from '../../core/system-jobs.ts';
import type { AuditRecord } from '../../core/ports/audit.ts';
import type { Job } from '../../core/model.ts';
import type { DueRecord } from '../../core/records.ts';
import { MAX_REJECTED_PER_TENANT, type RejectedRecord } from '../../core/rejected-record.ts';
import type { EnqueuedCommandInput, Lease, ParkedRun, RunRow } from '../../core/ports/run-store.ts';
import type { Tenant } from '../../core/ports/tenants.ts';
import type { Webhook } from '../../core/ports/webhooks.ts';
import { partitionOf } from '../../core/murmur2.ts';
import type {
  Arrival,
  Edges,
  EnqueuedCommand,
  EnqueuedListener,
  JobRef,
  Offsets,
  OutboxBatch,
  Subscription,
  TimerRow,
  WaitingCommand,
} from '../../core/ports/timer-store.ts';

import { jobKey } from '../../core/topics.ts';

export type OwnerEntry = { epoch: number; instance: string; offsets: Offsets; outboxSeq: number };
export type LeaseEntry = {
  lease: Lease;
  expiresAt: number;
  takenAt: number;
  renewedAt: number;
  dead: boolean;
  free: number;
};
/** A row of `parked`; `limitName` is set while it waits under a limit, and until it has its place. */
export type ParkedEntry = ParkedRun & { limitName?: string; most?: number };
/** A row of `places`; `expiresAt` is of a limit per second. */
export type PlaceEntry = { name: string; runId: string; executor: string; ticket: string; expiresAt: number | null };
/** A row of `runs`; `leaseAlive` and `parked` are computed when it is read. */
export type RunEntry = Omit<RunRow, 'leaseAlive' | 'parked'> & {
  tenant: string;
  jobId: string;
  scheduledFor: number;
  idempotencyKey: string;
  replayOf: string | null;
  due: DueRecord | null;
  progress: { fraction: number; note: string | null } | null;
};

/** A row of `webhooks`. */
export type WebhookEntry = { webhook: Webhook; secret: string; former: { secret: string; until: number } | null };

export class MemoryDatabase {
  readonly jobs = new Map<string, Job>();
  readonly timers = new Map<number, TimerRow[]>();
  readonly owners = new Map<number, OwnerEntry>();
  readonly outbox = new Map<number, OutboxBatch[]>();
  readonly seenCommands = new Map<string, number>();
  /** Replays that were decided, by the run they repeat. */
  readonly replays = new Map<string, Set<string>>();
  /** The upstreams of each chained job, by its key. */
  readonly edges = new Map<string, Edges>();
  /** By `tenant/jobId/runId`. */
  readonly arrivals = new Map<string, Arrival & { arrivedAt: number }>();
  /** Who listens to what, by job. */
  readonly subscriptions = new Map<string, Subscription>();
  readonly runs = new Map<string, RunEntry>();
  /** Runs that were cancelled by themselves, and when. */
  readonly cancelledRuns = new Map<string, number>();
  readonly leases = new Map<string, LeaseEntry>();
  readonly parked = new Map<string, ParkedEntry>();
  /** Places under limits, by `name runId`. */
  readonly places = new Map<string, PlaceEntry>();
  readonly tenants = new Map<string, Tenant>();
  /** By `tenant/id`. */
  readonly webhooks = new Map<string, WebhookEntry>();
  readonly systemJobs = new Map<string, SystemJob>();
  /** The audit log, oldest first. */
  audit: AuditRecord[] = [];
  /** The index of rejected records, oldest first. */
  rejected: RejectedRecord[] = [];
  /** In the order of their ids. */
  enqueued: EnqueuedCommand[] = [];
  /** In the order of their numbers. */
  waiting: WaitingCommand[] = [];
  private readonly enqueuedListeners = new Set<(partition: number) => void>();
  private lastEnqueued = 0;
  private lastAudited = 0;
  readonly partitions: number;
  /** The database's own clock, ms. */
  readonly now: () => number;

  constructor(options: { partitions: number; now: () => number }) {
    this.partitions = options.partitions;
    this.now = options.now;
  }

  /** Jobs that run after this one. */
  downstreamsOf({ tenant, jobId }: JobRef): string[] {
    const edges = [...this.edges.values()].filter(
      (edge) => edge.tenant === tenant && edge.upstreams.some((upstream) => upstream.jobId === jobId),
    );
    return edges.map((edge) => edge.jobId).sort();
  }

  /** 0 for a job that is gone. */
  cancelGenerationOf({ tenant, jobId }: JobRef): number {
    return this.jobs.get(jobKey(tenant, jobId))?.cancelGen ?? 0;
  }

  /** With its job since it was decided, or by itself. */
  isCancelled(run: Pick<DueRecord, 'tenant' | 'jobId' | 'runId' | 'cancelGen'>): boolean {
    return this.cancelGenerationOf(run) > run.cancelGen || this.cancelledRuns.has(run.runId);
  }

  /** What the SQL function `enqueue` does; its transaction commits at once. */
  enqueue(command: EnqueuedCommandInput): void {
    const key = jobKey(command.tenant, command.jobId);
    const partition = partitionOf(key, this.partitions);
    this.lastEnqueued += 1;
    const row = { partition, id: this.lastEnqueued, enqueuedAt: this.now(), key, command: JSON.stringify(command) };
    this.enqueued.push(row);
    for (const listener of this.enqueuedListeners) listener(partition);
  }

  /** What the SQL function `index_rejected` does. */
  indexRejected(records: readonly RejectedRecord[]): void {
    for (const record of records) {
      const { topic, partition, offset, tenant } = record;
      const same = (each: RejectedRecord): boolean =>
        each.topic === topic && each.partition === partition && each.offset === offset;
      if (this.rejected.some(same)) continue;
      this.rejected.push(record);
      const ofTenant = this.rejected.filter((each) => each.tenant === tenant);
      if (ofTenant.length > MAX_REJECTED_PER_TENANT) this.rejected.splice(this.rejected.indexOf(ofTenant[0]!), 1);
    }
  }

  appendAudit(entry: AuditEntry): void {
    this.lastAudited += 1;
    this.audit.push({ ...entry, id: this.lastAudited });
  }

  readonly listen: EnqueuedListener = (onEnqueued) => {
    this.enqueuedListeners.add(onEnqueued);
    return { close: async () => void this.enqueuedListeners.delete(onEnqueued) };
  };
}
