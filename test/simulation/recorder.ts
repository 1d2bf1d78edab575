/** Writes down what happens: the history for the checker, and, when it is wanted, a trace for people. */
import type { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import type { EnqueuedCommandInput, Settlement } from '../../services/core/ports/run-store.ts';
import {
  clockTime,
  type Call,
  type Event,
  type Fault,
  type RunRow,
  type SentCommand,
  type Sighting,
} from '../checker/history.ts';
import { understood } from '../checker/observe.ts';
import type { Calls } from './handlers.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';

const TERMINAL = new Set<string>(['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED']);

export class Recorder implements Calls {
  readonly calls: Call[] = [];
  readonly writes: { runId: string }[] = [];
  readonly sightings: Sighting[] = [];
  readonly events: Event[] = [];
  readonly dead: { runId: string }[] = [];
  readonly messages: { runId: string; at: number }[] = [];
  readonly faults: Fault[] = [];
  /** What transactions of runs scheduled, and as commands, which nobody asked to be answered. */
  readonly scheduledIn: { runId: string; job: string }[] = [];
  readonly commands: SentCommand[] = [];
  /** How often the services said what. */
  readonly seen = new Map<string, number>();
  /** Processes that gave up. */
  readonly fatals: string[] = [];
  readonly lines: string[] = [];
  /** Records that lost what a newer release wrote. */
  readonly drops: { runId: string; topic: string }[] = [];
  private readonly sim: VirtualTime;
  private readonly db: MemoryDatabase;
  private readonly isTraced: boolean;

  constructor(sim: VirtualTime, db: MemoryDatabase, isTraced: boolean) {
    this.sim = sim;
    this.db = db;
    this.isTraced = isTraced;
  }

  now(): number {
    return this.sim.now();
  }

  begin(call: Call): void {
    this.calls.push(call);
    this.trace(call.node, `calls ${call.job}`, { runId: call.runId, attempt: call.attempt });
  }

  ended(call: Call): void {
    this.trace(call.node, `${call.end} ${call.job}`, { runId: call.runId, attempt: call.attempt });
  }

  scheduled(runId: string, job: string, command: EnqueuedCommandInput): void {
    const { commandId } = command;
    if (!this.scheduledIn.some((each) => each.job === job)) {
      const sent = { commandId, job, type: 'schedule', sentAt: this.now(), answer: null } as const;
      this.commands.push({ ...sent, ...understood(command) });
    }
    this.scheduledIn.push({ runId, job });
  }

  /** The process is gone, and its calls with it. */
  killed(node: string): void {
    for (const call of this.calls) {
      if (call.node !== node || call.end !== null) continue;
      call.end = 'killed';
      call.endedAt = this.now();
    }
  }

  /** A request took effect on the store: what has become terminal must stay as it is. */
  effect(call: string, args: readonly unknown[]): void {
    if (call === 'settle') this.sight((args[1] as Settlement[]).map(({ runId }) => runId));
    else if (call === 'transaction') this.sight(args as string[]);
  }

  readonly dropped = (runId: string, topic: string): void => {
    this.drops.push({ runId, topic });
    this.trace('records', 'a field of a newer release is lost', { runId, topic });
  };

  fault(fault: Fault): Fault {
    this.faults.push(fault);
    return fault;
  }

  fatal(node: string, error: Error): void {
    this.fatals.push(`${node} gave up: ${error.stack ?? error.message}`);
    this.trace(node, 'gave up', { error: error.message });
  }

  rows(): RunRow[] {
    return [...this.db.runs.values()].map((row) => ({
      runId: row.runId,
      job: `${row.tenant}/${row.jobId}`,
      status: row.status,
      scheduledFor: row.scheduledFor,
      finishedAt: row.finishedAt,
      idempotencyKey: row.idempotencyKey,
      replayOf: row.replayOf,
      result: row.result,
    }));
  }

  said(node: string, level: string, fields: object, message: string): void {
    this.seen.set(message, (this.seen.get(message) ?? 0) + 1);
    this.trace(node, `${level}: ${message}`, fields);
  }

  trace(who: string, what: string, fields: object = {}): void {
    if (!this.isTraced) return;
    const details = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(
        ([name, value]) =>
          `${name}=${value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
    this.lines.push([clockTime(this.now()), who.padEnd(13), what, ...details].join(' '));
  }

  private sight(runIds: readonly string[]): void {
    for (const runId of runIds) {
      const row = this.db.runs.get(runId);
      if (row === undefined || !TERMINAL.has(row.status)) continue;
      this.sightings.push({ runId, status: row.status, result: row.result });
    }
  }
}
