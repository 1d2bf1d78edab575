import type { AbortReason, Attempt } from './run.ts';
import type { OwnedRun, Task } from './task.ts';

export type RunningEntry = {
  readonly task: Task;
  readonly owned: OwnedRun;
  readonly attempt: Attempt;
  readonly since: number;
  decided: boolean;
};

/** The attempts whose handler holds a slot, also those that are settled already because it would not stop. */
export class Running {
  private readonly entries = new Set<RunningEntry>();

  add(task: Task, owned: OwnedRun, attempt: Attempt, since: number): RunningEntry {
    const entry = { task, owned, attempt, since, decided: false };
    this.entries.add(entry);
    return entry;
  }

  delete(entry: RunningEntry): void {
    this.entries.delete(entry);
  }

  get size(): number {
    return this.entries.size;
  }

  /** Attempts without a verdict. */
  get undecided(): number {
    return this.present().length;
  }

  /** Attempts without a verdict. */
  present(): RunningEntry[] {
    return [...this.entries].filter((entry) => !entry.decided);
  }

  tasks(): Task[] {
    return this.present().map((entry) => entry.task);
  }

  abort(reason: AbortReason, which: (entry: RunningEntry) => boolean): void {
    for (const entry of this.present()) if (which(entry)) entry.attempt.abort(reason);
  }
}
