/**
 * The commands of a partition that wait for jobs to be scheduled. Commands for several jobs that are sent together arrive in any order:
 * a job that runs after another is waited with until that one is there, or until its time is over.
 *
 * Invariants: what stands here is what the store holds: it changes only after an accepted step. Of one job all commands wait, in
 * their order, or none does: a later one stands behind, so that none overtakes another.
 */
import type { JobRef, WaitingCommand } from '../core/ports/timer-store.ts';
import { jobKey } from '../core/topics.ts';

/** So long a command waits, ms. */
export const WAIT_MS = 10_000;
/** So much waits in one partition at the most: it is held in memory. */
const MAX_COMMANDS = 256;
const MAX_BYTES = 2 * 1024 * 1024;
/** What of that one tenant may take. */
const SHARE_OF_TENANT = 4;
/** How long after the last look there is the next one: as long as it has waited already, within these. */
const SOONEST_MS = 50;
const LATEST_MS = 500;

/** Of one job, in their order; the first is the one that waits. */
type Queue = { commands: WaitingCommand[]; lookAt: number };

export class WaitingCommands {
  private readonly queues = new Map<string, Queue>();
  /** Of the next one that waits. */
  nextSeq = 0;

  constructor(stored: readonly WaitingCommand[]) {
    this.add(stored);
  }

  of(job: JobRef): readonly WaitingCommand[] {
    return this.queues.get(jobKey(job.tenant, job.jobId))?.commands ?? [];
  }

  /** Whether one more may wait beside these and `planned` ones. */
  hasRoom({ tenant, record }: Pick<WaitingCommand, 'tenant' | 'record'>, planned: readonly WaitingCommand[]): boolean {
    const all = [...[...this.queues.values()].flatMap(({ commands }) => commands), ...planned];
    const own = all.filter((each) => each.tenant === tenant);
    return (
      all.length < MAX_COMMANDS &&
      own.length < MAX_COMMANDS / SHARE_OF_TENANT &&
      bytesOf(all) + bytesOf([{ record }]) <= MAX_BYTES &&
      bytesOf(own) + bytesOf([{ record }]) <= MAX_BYTES / SHARE_OF_TENANT
    );
  }

  /** Jobs of which it is time to see whether those that they wait for are there. */
  toLookAt(now: number): WaitingCommand[] {
    return [...this.queues.values()].filter(({ lookAt }) => lookAt <= now).map(({ commands }) => commands[0]!);
  }

  /** When that time comes, ms. */
  nextLookAt(): number {
    return Math.min(...[...this.queues.values()].map(({ lookAt }) => lookAt));
  }

  /** Those that it waits for are not there yet. */
  looked({ tenant, jobId, until }: WaitingCommand, now: number): void {
    const queue = this.queues.get(jobKey(tenant, jobId));
    const waitedMs = now - (until - WAIT_MS);
    if (queue !== undefined) queue.lookAt = Math.min(until, now + Math.min(Math.max(waitedMs, SOONEST_MS), LATEST_MS));
  }

  add(commands: readonly WaitingCommand[]): void {
    for (const command of commands) {
      const key = jobKey(command.tenant, command.jobId);
      const queue = this.queues.get(key) ?? { commands: [], lookAt: command.until - WAIT_MS + SOONEST_MS };
      queue.commands.push(command);
      this.queues.set(key, queue);
      this.nextSeq = Math.max(this.nextSeq, command.seq + 1);
    }
  }

  remove(seqs: readonly number[]): void {
    if (seqs.length === 0) return;
    for (const [key, queue] of this.queues) {
      queue.commands = queue.commands.filter(({ seq }) => !seqs.includes(seq));
      if (queue.commands.length === 0) this.queues.delete(key);
    }
  }
}

function bytesOf(commands: readonly Pick<WaitingCommand, 'record'>[]): number {
  return commands.reduce((sum, { record }) => sum + (record.value?.length ?? 0) + (record.key?.length ?? 0), 0);
}
