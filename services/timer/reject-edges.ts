/**
 * Schedule commands whose edges the store refused: the next turn decides everything else once more, and they wait for the jobs that
 * are missing, or are rejected.
 */
import type { ScheduleCommand } from '../core/command.ts';
import { closedCycle, type RefusedEdges } from '../core/edges-refused.ts';
import type { Gathered } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { Input } from './inputs.ts';

/** A command that asks for edges; `become` puts another input in its place. `until`: so long it waits for jobs, ms; it has begun to. */
type Candidate = { command: ScheduleCommand; until?: number | undefined; become(input: Input): void };

/**
 * Of several commands of one step that close a cycle together, the last one is to blame.
 * @param now ms
 * @returns whether any was found: otherwise the next turn would decide the same
 */
export function rejectEdges(all: readonly Gathered[], refused: readonly RefusedEdges[], now: number): boolean {
  const candidates = all.flatMap(candidatesOf);
  let isAny = false;
  for (const { tenant, jobId, cycle, rejection, missing } of refused) {
    const blamed = candidates.findLast(({ command }) => {
      return command.tenant === tenant && (command.jobId === jobId || cycle.includes(command.jobId));
    });
    if (blamed === undefined) continue;
    isAny = true;
    const { command, until } = blamed;
    if (missing.length > 0 && (until === undefined || until > now)) {
      blamed.become({ kind: 'waits', command, missing, rejection });
      continue;
    }
    const at = cycle.indexOf(command.jobId);
    const turned = [...cycle.slice(at), ...cycle.slice(0, at)];
    const why = at <= 0 ? rejection : closedCycle(tenant, command.jobId, turned).rejection;
    blamed.become({ kind: 'rejected', rejection: why, head: command });
  }
  return isAny;
}

/** In the order in which they are decided. */
function candidatesOf({ owned, items, waited, enqueued }: Gathered): Candidate[] {
  const found: Candidate[] = [];
  const add = (input: Input | null, become: Candidate['become'], until?: number): void => {
    if (input?.kind !== 'command' || input.command.type !== 'schedule') return;
    if (input.command.job.schedule.kind === 'after') found.push({ command: input.command, until, become });
  };
  for (const { waiting, input } of waited) {
    add(input, (instead) => void owned.refused.set(inputNames.waiting(waiting.seq), instead), waiting.until);
  }
  for (const item of items.commands) {
    add(item.input, (input) => {
      if (item.record !== null) item.input = input;
    });
  }
  for (const { id, input } of enqueued) {
    add(input, (instead) => void owned.refused.set(inputNames.enqueued(id), instead));
  }
  return found;
}
