/**
 * What becomes of a turn that failed: tried again as it is, with its partition taken again, in parts, or without the input that is
 * to blame.
 *
 * Invariants. A partition whose turn failed is on trial: it has turns of its own, so it holds up no other, until what was in that turn
 * (the suspects) is applied or condemned. An input is condemned only when it failed alone, and an outage condemns nobody: unless
 * the error says that the data are at fault, a failure counts only once the store has accepted a step without inputs after it. A case
 * outlives the taking again of its partition, since a step whose outcome is unclear always leads to that.
 */
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';

/** Reading what the decisions need, deciding, writing what was decided. */
export type Phase = 'load' | 'decide' | 'store';
export type Failure = { phase: Phase; cause: unknown };

export type Judgement = {
  /** `reacquire`: the step may have been applied, so only a new epoch and what the store says then are certain. */
  partition: 'keep' | 'reacquire';
  batch: 'retry' | 'isolate' | 'reject';
};

/** So many failures of one batch, whatever their code, and it is tried in halves. */
export const FAILURES_TO_ISOLATE = 3;
/** So many failures of an input alone, and it is rejected. */
const FAILURES_TO_REJECT = 3;
/** The same where each error alone says that the store may be away: connections can be lost, and locks be held, several times running. */
const RETRYABLE_FAILURES_TO_REJECT = 10;

/** Whether the error says by itself that what was tried can never work. */
export function isProof({ phase, cause }: Failure): boolean {
  if (cause instanceof BelfryError) return !cause.retryable && (phase === 'decide' || isOfData(cause));
  return phase === 'decide';
}

function isOfData({ code }: BelfryError): boolean {
  return code === 'bad_data' || code === 'edges_refused';
}

/**
 * @param size inputs of the batch that failed
 * @param failures of this batch that count, this one included
 */
export function judge(failure: Failure, size: number, failures: number): Judgement {
  const isClear = failure.phase !== 'store' || isProof(failure);
  const partition = isClear ? 'keep' : 'reacquire';
  if (size > 1) {
    const isolates = isProof(failure) || failures >= FAILURES_TO_ISOLATE;
    return { partition, batch: isolates ? 'isolate' : 'retry' };
  }
  const isRetryable = failure.cause instanceof BelfryError && failure.cause.retryable;
  const budget = isRetryable ? RETRYABLE_FAILURES_TO_REJECT : FAILURES_TO_REJECT;
  return { partition, batch: size === 1 && (isProof(failure) || failures >= budget) ? 'reject' : 'retry' };
}

/** An input that cannot be applied as it is. Each time that what is made of it instead cannot be applied either, `level` is one more. */
export type Condemned = { level: number; reason: string };

/** What is known of a partition's failed batch. */
class Case {
  suspects: ReadonlySet<string>;
  failures = 0;
  /** Tried in halves. */
  isolates = false;
  /** Counts when a step without inputs is accepted after it. */
  doubted: Failure | undefined;
  readonly condemned = new Map<string, Condemned>();

  constructor(suspects: readonly string[]) {
    this.suspects = new Set(suspects);
  }
}

export class FailurePolicy {
  private readonly cases = new Map<number, Case>();
  private readonly log: Pick<Log, 'error'>;

  /** @param log told of each input that cannot be applied alone */
  constructor(log: Pick<Log, 'error'>) {
    this.log = log;
  }

  isOnTrial(partition: number): boolean {
    return this.cases.has(partition);
  }

  /** Whether a step without inputs is to show first that the store works. */
  isInDoubt(partition: number): boolean {
    return this.cases.get(partition)?.doubted !== undefined;
  }

  isSuspect(partition: number, input: string): boolean {
    return this.cases.get(partition)?.suspects.has(input) === true;
  }

  /** What is to be made of inputs that cannot be applied. */
  condemnedOf(partition: number): ReadonlyMap<string, Condemned> {
    return this.cases.get(partition)?.condemned ?? new Map<string, Condemned>();
  }

  /**
   * A batch failed.
   * @param inputs the names of its inputs
   * @param isShared other partitions were in the same statement: it may have been one of those
   */
  failed(partition: number, failure: Failure, inputs: readonly string[], isShared: boolean): void {
    const open = this.cases.get(partition) ?? new Case(inputs);
    this.cases.set(partition, open);
    if (inputs.length < open.suspects.size) {
      open.suspects = new Set(inputs);
      open.failures = 0;
    }
    if (isShared) return;
    if (isProof(failure)) this.count(partition, open, failure);
    else open.doubted = failure;
  }

  /** A step without inputs was accepted: what failed before it failed for reasons of its own. */
  controlled(partition: number): void {
    const open = this.cases.get(partition);
    if (open?.doubted === undefined) return;
    const failure = open.doubted;
    open.doubted = undefined;
    this.count(partition, open, failure);
  }

  /** These inputs were applied. */
  applied(partition: number, inputs: readonly string[]): void {
    const open = this.cases.get(partition);
    if (open === undefined) return;
    for (const input of inputs) open.condemned.delete(input);
    open.failures = 0;
    this.keepSuspects(partition, (input) => !inputs.includes(input));
  }

  /** Forgets suspects that are not there any more; without any, the trial is over. */
  keepSuspects(partition: number, isThere: (input: string) => boolean): void {
    const open = this.cases.get(partition);
    if (open === undefined) return;
    open.suspects = new Set([...open.suspects].filter(isThere));
    if (open.suspects.size === 0) this.cases.delete(partition);
  }

  /** The trial is over: somebody else has the partition. */
  drop(partition: number): void {
    this.cases.delete(partition);
  }

  /** Which of the inputs that are present are to be tried next: all suspects, or the first half of them. */
  choose(partition: number, present: readonly string[]): readonly string[] {
    const open = this.cases.get(partition);
    if (open === undefined) return [];
    const suspects = present.filter((input) => open.suspects.has(input));
    return open.isolates ? suspects.slice(0, Math.ceil(suspects.length / 2)) : suspects;
  }

  private count(partition: number, open: Case, failure: Failure): void {
    open.failures++;
    const { batch } = judge(failure, open.suspects.size, open.failures);
    if (batch === 'isolate') open.isolates = true;
    if (batch !== 'reject') return;
    const [input] = open.suspects;
    const level = (open.condemned.get(input!)?.level ?? 0) + 1;
    const reason = messageOf(failure.cause);
    open.condemned.set(input!, { level, reason });
    open.failures = 0;
    this.log.error({ partition, input, level, reason }, 'an input cannot be applied');
  }
}
