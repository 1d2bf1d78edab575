/** `--wait`: hears the outcome of the run that a command brings about. */
import type { Command } from 'commander';
import type { CommandResult } from '../client/types.ts';
import type { BelfryError } from '../core/errors.ts';
import type { Outcome } from '../core/records.ts';
import { outcomeJson } from '../core/resources.ts';
import type { CliDeps } from './deps.ts';
import { EXIT, noAnswer, type ExitCode } from './exit.ts';
import { duration, type JsonOption } from './options.ts';
import { elapsed, json, jobName } from './output.ts';
import { outcomeLine } from './views.ts';

const STANDARD_WAIT_MS = 10 * 60_000;

export type WaitOption = { wait?: true; waitTimeout: number };

export function addWait(command: Command): Command {
  return command
    .option('--wait', 'wait for the outcome of the run, print it, and exit with 1 if it did not complete')
    .option(
      '--wait-timeout <duration>',
      'how long after the run is due (default: 10m)',
      duration('--wait-timeout'),
      STANDARD_WAIT_MS,
    );
}

/**
 * Sends the command and waits for the first outcome that `isIt` recognises. Listens before it sends: no outcome is missed.
 * @param send answers undefined, and has told why, when no run comes of the command
 * @throws BelfryError `no_answer` when none comes in time
 */
export async function waitForRun(
  deps: CliDeps,
  options: JsonOption & WaitOption,
  job: { tenant: string; jobId: string },
  send: () => Promise<CommandResult | undefined>,
  isIt: (outcome: Outcome, result: CommandResult) => boolean,
): Promise<ExitCode> {
  const heard: Outcome[] = [];
  let onOutcome = (outcome: Outcome): void => void heard.push(outcome);
  const statuses = ['COMPLETED', 'FAILED', 'CANCELLED'] as const;
  await deps.client().onOutcome((outcome) => onOutcome(outcome), { ...job, statuses });
  const result = await send();
  if (result === undefined) return EXIT.ok;
  const dueAt = Math.max(result.nextFireAt?.getTime() ?? 0, deps.clock.now());
  if (!options.json) deps.warn(`${result.outcome}; waiting for the run of ${jobName(job.tenant, job.jobId)}`);

  const outcome = await new Promise<Outcome>((resolve, reject) => {
    const waitMs = dueAt - deps.clock.now() + options.waitTimeout;
    const cancel = deps.clock.after(waitMs, () => reject(tooLate(waitMs, job)));
    onOutcome = (candidate) => {
      if (!isIt(candidate, result)) return;
      cancel();
      resolve(candidate);
    };
    heard.forEach(onOutcome);
  });
  deps.print(options.json ? json(outcomeJson(outcome)) : outcomeLine(outcome));
  return outcome.status === 'COMPLETED' ? EXIT.ok : EXIT.failed;
}

function tooLate(waitMs: number, { tenant, jobId }: { tenant: string; jobId: string }): BelfryError {
  const name = jobName(tenant, jobId);
  return noAnswer(
    `No run of ${name} ended within ${elapsed(waitMs)}. See belfry jobs show ${jobId} and belfry doctor.`,
  );
}
