/** Schedule commands whose edges the store refused: they are rejected in the next turn, which decides everything else once more. */
import type { ScheduleCommand } from '../core/command.ts';
import { closedCycle, type RefusedEdges } from '../core/edges-refused.ts';
import type { Gathered } from './gathered.ts';
import type { Input } from './inputs.ts';

/** A command that asks for edges; `become` puts another input in its place. */
type Candidate = { command: ScheduleCommand; become(input: Input): void };

/**
 * Of several commands of one step that close a cycle together, the last one is to blame.
 * @returns whether any was found: otherwise the next turn would decide the same
 */
export function rejectEdges(all: readonly Gathered[], refused: readonly RefusedEdges[]): boolean {
  const candidates = all.flatMap(candidatesOf);
  let isAny = false;
  for (const { tenant, jobId, cycle, rejection } of refused) {
    const blamed = candidates.findLast(({ command }) => {
      return command.tenant === tenant && (command.jobId === jobId || cycle.includes(command.jobId));
    });
    if (blamed === undefined) continue;
    isAny = true;
    const at = cycle.indexOf(blamed.command.jobId);
    const turned = [...cycle.slice(at), ...cycle.slice(0, at)];
    const why = at <= 0 ? rejection : closedCycle(tenant, blamed.command.jobId, turned).rejection;
    blamed.become({ kind: 'rejected', rejection: why, head: blamed.command });
  }
  return isAny;
}

function candidatesOf({ owned, items, enqueued }: Gathered): Candidate[] {
  const found: Candidate[] = [];
  const add = (input: Input | null, become: Candidate['become']): void => {
    if (input?.kind !== 'command' || input.command.type !== 'schedule') return;
    if (input.command.job.schedule.kind === 'after') found.push({ command: input.command, become });
  };
  for (const item of items.commands) {
    add(item.input, (input) => {
      if (item.record !== null) item.input = input;
    });
  }
  for (const { id, input } of enqueued) add(input, (rejected) => void owned.refusedEnqueued.set(id, rejected));
  return found;
}
