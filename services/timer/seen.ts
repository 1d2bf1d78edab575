/** Under which name a command is remembered for a day, so that it has one effect however often it comes. */
import type { Command } from '../core/command.ts';
import type { InternalCommand } from '../core/internal-command.ts';
import { OUTCOME_EVENT } from '../core/own-names.ts';
import type { JobRef } from '../core/ports/timer-store.ts';

/**
 * Undefined: the job itself remembers its latest commands. No job has a slash in its id, so that what stands for an event
 * meets no command of a job.
 */
export function seenRefOf(command: Command | InternalCommand): (JobRef & { commandId: string }) | undefined {
  const { tenant, jobId } = command;
  switch (command.type) {
    case 'trigger':
    case 'replay':
      return { tenant, jobId, commandId: command.commandId };
    case 'emit':
      return { tenant, jobId: `${jobId}/0`, commandId: command.eventId };
    case 'fanOut':
      return { tenant, jobId: `${jobId}/${command.part}`, commandId: command.event.id };
    case 'notify':
      return { tenant, jobId: `${jobId}/on/${OUTCOME_EVENT}`, commandId: command.commandId };
    case 'deliver':
      return { tenant, jobId: `${jobId}/on/${command.event.name}`, commandId: command.event.id };
    case 'schedule':
    case 'cancel':
    case 'pause':
    case 'resume':
    case 'backfill':
    case 'cancelRun': // again it finds the run cancelled
    case 'upstream': // what arrived is kept as long as the history
      return undefined;
  }
}
