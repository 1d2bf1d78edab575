/**
 * Clients that enqueue their commands in database transactions of their own: one at a time for each job, so that the order of
 * its commands is known.
 */
import type { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import type { EnqueuedCommandInput } from '../../services/core/ports/run-store.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';
import { Random } from '../support/random.ts';

const TRY_AGAIN_MS = 400;
const LONGEST_MS = 300;

export class Transactions {
  /** Ids of commands, in the order in which they were committed. */
  readonly committed = new Set<string>();
  readonly rolledBack = new Set<string>();
  private readonly db: MemoryDatabase;
  private readonly sim: VirtualTime;
  private readonly random: Random;
  /** By job. */
  private readonly last = new Map<string, Promise<void>>();

  constructor(db: MemoryDatabase, sim: VirtualTime, seed: number) {
    this.db = db;
    this.sim = sim;
    this.random = new Random(`transactions ${seed}`);
  }

  /** @param copies the command is enqueued so many times in the one transaction */
  enqueue(job: string, command: EnqueuedCommandInput, copies: number): void {
    const before = this.last.get(job) ?? Promise.resolve();
    this.last.set(
      job,
      before.then(() => this.transact(command, copies)),
    );
  }

  private async transact(command: EnqueuedCommandInput, copies: number): Promise<void> {
    const { commandId } = command;
    await this.sim.sleep(this.random.int(1, LONGEST_MS));
    const end = this.random.weighted({ committed: 16, rolledBack: 2, lostAnswer: 1, brokenOff: 1 });
    if (end === 'rolledBack') return void this.rolledBack.add(commandId);
    if (end !== 'brokenOff') {
      for (let copy = 0; copy < copies; copy++) this.db.enqueue(command);
      this.committed.add(commandId);
    }
    if (end === 'committed') return;
    // Whether it is committed is not known: the same id makes it safe to try again.
    await this.sim.sleep(TRY_AGAIN_MS);
    for (let copy = 0; copy < copies; copy++) this.db.enqueue(command);
    this.committed.add(commandId);
  }
}
