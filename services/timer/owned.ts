/**
 * What a timer holds in memory of a partition that it owns.
 *
 * Invariant: `fence` is what the store holds as long as the ownership lasts: it changes only after an accepted step.
 * When a step is refused or its outcome is unclear, the object is thrown away and the partition is taken anew; work
 * that still refers to it finds `live` false.
 */
import { LookAhead } from '../core/look-ahead.ts';
import type { DecidedRun, Offsets, Taken } from '../core/ports/timer-store.ts';
import type { Completion } from './completion.ts';
import type { EndedRun } from './effects.ts';
import type { ExactLane } from './exact-lane.ts';
import type { Condemned } from './failure-policy.ts';
import type { Input } from './inputs.ts';
import { INTAKES, type Intake } from '../core/topics.ts';
import { IntakeQueue } from './intake-queue.ts';
import type { Fence } from './plan.ts';
import type { PutOff } from './put-off.ts';
import { Surplus } from './surplus.ts';
import { WaitingCommands } from './waiting.ts';

/**
 * A run that the exact lane could not publish: it has failed, or is tried `again` later. `recorded` is called once the store holds
 * that.
 */
export type RefusedRun = { run: EndedRun; again?: PutOff | undefined; recorded: () => void };

type Took = Pick<Taken, 'ownership' | 'waiting'> & { setAside?: ReadonlyMap<string, Condemned> };

export class OwnedPartition {
  readonly partition: number;
  fence: Fence;
  live = true;
  /** All that the former owner left is produced. */
  ready = false;
  readonly lookAhead: LookAhead;
  readonly queues: Readonly<Record<Intake, IntakeQueue>>;
  exactLane: ExactLane | undefined;
  /** Outbox rows not produced yet. */
  unproduced = 0;
  /** What the next step writes down: outbox rows that were produced, and the runs published or refused with them. */
  producedSeqs: number[] = [];
  publishedRuns: DecidedRun[] = [];
  refusedRuns: RefusedRun[] = [];
  /** Ends of runs that the sweep found. */
  swept: Completion[] = [];
  /** Runs in the exact lane that have no row yet. */
  readonly exactPending = new Set<string>();
  /** What owners before were lost at, by name. */
  readonly setAside: ReadonlyMap<string, Condemned>;
  /** Inputs that are set aside, and commands whose edges the store refused, by name: what is made of them instead. */
  readonly refused = new Map<string, Input>();
  readonly waiting: WaitingCommands;

  /** What its tenants have made due lately. */
  readonly surplus = new Surplus();

  /**
   * False from a take, or a rebalance, until a step after it: another timer may have had the partition meanwhile (while the take's
   * answer was on its way, too), have made timers and outbox rows, and have given it back.
   */
  isCertain = false;

  /** When the store last heard of it, ms. */
  flushedAt = 0;

  /** @param startAt where to read the topics from */
  constructor({ ownership, waiting, setAside = new Map() }: Took, startAt: Offsets, lookAheadRows: number) {
    const { partition, epoch, offsets, outboxSeq } = ownership;
    this.partition = partition;
    this.fence = { partition, epoch, offsets, outboxSeq };
    this.lookAhead = new LookAhead(lookAheadRows);
    this.setAside = setAside;
    this.waiting = new WaitingCommands(waiting);
    const queues = INTAKES.map((intake) => [intake, new IntakeQueue(startAt[intake])]);
    this.queues = Object.fromEntries(queues) as Record<Intake, IntakeQueue>;
  }

  /** Whether the next step has something to write down that no input brings. */
  hasNews(): boolean {
    return this.publishedRuns.length > 0 || this.refusedRuns.length > 0 || this.swept.length > 0;
  }
}
