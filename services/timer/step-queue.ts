/** Which commands of one step wait: for jobs that theirs runs after, or behind commands of the same job that do. */
import type { ConsumedRecord, Rejection } from '../core/records.ts';
import type { JobCommand } from './apply-command.ts';
import type { OwnedPartition } from './owned.ts';
import type { Plan } from './plan.ts';
import { WAIT_MS } from './waiting.ts';

/** `missing`: the jobs that it waits for; `rejection`: why it is refused where there is no room for it. */
export type Held = { command: JobCommand; missing: readonly string[]; rejection: Rejection };

const NO_ROOM: Rejection = {
  code: 'quota',
  message: 'commands of this job wait for the jobs that it runs after, and no more of them may wait: send it later',
};

export class StepQueue {
  private readonly owned: OwnedPartition;
  private readonly plan: Plan;
  private readonly now: number;

  /** @param plan holds the commands that have waited already, and are decided in this step, before any other is asked about */
  constructor(owned: OwnedPartition, plan: Plan, now: number) {
    this.owned = owned;
    this.plan = plan;
    this.now = now;
  }

  /** What keeps the command from being decided: commands of the same job wait on. */
  before(command: JobCommand): Held | undefined {
    if (command.type === 'upstream') return undefined;
    const waits =
      this.owned.waiting.of(command).some(({ seq }) => !this.plan.hasEnded(seq)) || this.plan.awaits(command);
    return waits ? { command, missing: [], rejection: NO_ROOM } : undefined;
  }

  /** @returns why it may not wait; undefined: it does */
  add(record: ConsumedRecord, { command, missing, rejection }: Held): Rejection | undefined {
    const { tenant, jobId } = command;
    const { partition, waiting } = this.owned;
    if (!waiting.hasRoom({ tenant, record }, this.plan.waiting)) return rejection;
    this.plan.wait({ partition, seq: 0, tenant, jobId, until: this.now + WAIT_MS, missing, record });
    return undefined;
  }
}
