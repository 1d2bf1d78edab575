/** Belfry as a test sees it: the client, the clock, and what became of the runs. */
import { BelfryClient, type ClientDeps } from '../client/client.ts';
import type {
  BackfillOptions,
  BackfillResult,
  CommandOptions,
  CommandResult,
  EmitOptions,
  EmitResult,
  ReplayOptions,
  ScheduleOptions,
  TriggerOptions,
  TypedJob,
} from '../client/types.ts';
import { BelfryError } from '../core/errors.ts';
import type { RunStatus, TerminalStatus } from '../core/model.ts';
import type { Outcome, RunError } from '../core/records.ts';
import { parseDuration } from '../core/spec/duration.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import type { Stage } from './stage.ts';
import { timeOf } from './time.ts';

/** A run that began or was decided, as `run_history` has it. */
export type TestRun = {
  runId: string;
  tenant: string;
  jobId: string;
  status: RunStatus;
  scheduledFor: Date;
  /** Of the latest attempt. */
  startedAt: Date | null;
  finishedAt: Date | null;
  attempt: number;
  result: unknown;
  error: RunError | null;
  /** Of a SKIPPED run. */
  reason: string | null;
  replayOf: string | null;
};

/** A record that a KAFKA_MESSAGE job produced. */
export type TestMessage = { key: string | null; value: string | null; headers: Readonly<Record<string, string>> };

/** What is behind the client. */
export type World = {
  stage: Stage;
  now(): number;
  runs(): TestRun[];
  messages(topic: string): TestMessage[];
  /** Of all runs that ended, in their order. */
  outcomes: readonly Outcome[];
  /** What went wrong inside, so that nothing can be relied on. */
  failure(): Error | undefined;
  stop(): Promise<void>;
};

type Of = { tenant?: string; jobId?: string };

/**
 * The client of `belfry`, on a world of its own: commands, handlers and outcomes are real, servers and time are not. Time
 * stands still but in `advance`.
 */
export class TestBelfry<H extends Handlers = Handlers> extends BelfryClient<H> {
  private readonly world: World;

  /** Made by `createTestBelfry`. */
  constructor(deps: ClientDeps, world: World) {
    super(deps);
    this.world = world;
  }

  /** The virtual time. */
  now(): Date {
    return new Date(this.world.now());
  }

  /**
   * Lets virtual time pass: every occurrence fires at its time, every handler runs, every retry waits as long as it says.
   * What is due at the very end comes to its end, too.
   * @param duration such as `90s`, `1d`, `1h30m`
   * @throws BelfryError `invalid` for what is no duration
   */
  async advance(duration: string): Promise<void> {
    await this.world.stage.advance(this.world.now() + msOf(duration));
    this.check();
  }

  /**
   * Lets virtual time pass until this one, as `advance` does.
   * @throws BelfryError `invalid` for a time that has passed, or is none
   */
  async advanceTo(time: string | Date): Promise<void> {
    const end = timeOf(time);
    if (end < this.world.now()) throw new BelfryError('invalid', `${String(time)} is no time to come.`);
    await this.world.stage.advance(end);
    this.check();
  }

  /**
   * For handlers: waits in virtual time, as long work would, until `signal` aborts at the most.
   * @param duration such as `10m`
   */
  sleep(duration: string, signal?: AbortSignal): Promise<void> {
    return this.world.stage.sleep(msOf(duration), signal);
  }

  /** Every run that began or was decided (skipped, cancelled), in the order of its scheduled time. */
  runs(of: Of & { status?: RunStatus } = {}): TestRun[] {
    return this.world.runs().filter((run) => isOf(of, run) && (of.status ?? run.status) === run.status);
  }

  /** Every terminal outcome, as subscribers of `job.completed` hear it, in its order. */
  outcomes(of: Of & { status?: TerminalStatus } = {}): Outcome[] {
    return this.world.outcomes.filter((each) => isOf(of, each) && (of.status ?? each.status) === each.status);
  }

  /** What KAFKA_MESSAGE jobs wrote to this topic. */
  messages(topic: string): TestMessage[] {
    return this.world.messages(topic);
  }

  override schedule(jobId: string, job: TypedJob<H>, options?: ScheduleOptions): Promise<CommandResult> {
    return this.answered(super.schedule(jobId, job, options));
  }

  override cancel(jobId: string, options?: CommandOptions): Promise<CommandResult> {
    return this.answered(super.cancel(jobId, options));
  }

  override pause(jobId: string, options?: CommandOptions): Promise<CommandResult> {
    return this.answered(super.pause(jobId, options));
  }

  override resume(jobId: string, options?: CommandOptions): Promise<CommandResult> {
    return this.answered(super.resume(jobId, options));
  }

  override trigger(jobId: string, options?: TriggerOptions): Promise<CommandResult> {
    return this.answered(super.trigger(jobId, options));
  }

  override replay(jobId: string, runId: string, options?: ReplayOptions): Promise<CommandResult> {
    return this.answered(super.replay(jobId, runId, options));
  }

  override emit(event: string, payload?: unknown, options?: EmitOptions): Promise<EmitResult> {
    return this.answered(super.emit(event, payload, options));
  }

  override backfill(jobId: string, options: BackfillOptions): Promise<BackfillResult> {
    return this.answered(super.backfill(jobId, options));
  }

  override async onOutcome(...args: Parameters<BelfryClient['onOutcome']>): Promise<() => Promise<void>> {
    return this.answered(super.onOutcome(...args));
  }

  /** Ends everything; handlers that still run are aborted. */
  override async close(): Promise<void> {
    await this.world.stage.until(this.world.stop());
    await this.world.stage.until(super.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async answered<T>(answer: Promise<T>): Promise<T> {
    const value = await this.world.stage.until(answer);
    this.check();
    return value;
  }

  private check(): void {
    const failure = this.world.failure();
    if (failure !== undefined) throw failure;
  }
}

function isOf({ tenant, jobId }: Of, row: { tenant: string; jobId: string }): boolean {
  return (tenant ?? row.tenant) === row.tenant && (jobId ?? row.jobId) === row.jobId;
}

function msOf(duration: string): number {
  const ms = parseDuration(duration);
  if (ms === undefined) throw new BelfryError('invalid', `${duration} is no duration such as 30s, 1d or 1h30m.`);
  return ms;
}
