/** Replays dead runs through commands, as fast as permitted. */
import type { CommandResult } from '../client/types.ts';
import type { DeadRunSummary } from '../core/ports/inspect.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import { runIdOf } from '../core/run-id.ts';
import type { CliDeps } from './deps.ts';
import { EXIT, exitCodeOf, type ExitCode } from './exit.ts';
import { jobName, table } from './output.ts';

/** Commands on their way at once, where no rate is given. */
const AT_ONCE = 100;

export type ReplayFlags = { rate?: number; force?: true };

export type ReplayResult = {
  runId: string;
  tenant: string;
  jobId: string;
  outcome: CommandResult['outcome'] | 'failed';
  /** The run that repeats it. */
  replay: string | null;
  error: { code: string; message: string } | null;
};
type Report = { results: ReplayResult[]; exitCode: ExitCode };

/** Sends a replay command for each run, in order; stops early on Ctrl-C, and when the servers are away. */
export async function replayRuns(deps: CliDeps, runs: readonly DeadRunSummary[], flags: ReplayFlags): Promise<Report> {
  const { rate: intervalMs } = flags;
  const interrupted = deps.interrupted();
  let exitCode: ExitCode = EXIT.ok;
  let serversAway = false;
  const sent: Promise<ReplayResult>[] = [];
  const send = async (run: DeadRunSummary): Promise<ReplayResult> => {
    try {
      return await replay(deps, run, flags);
    } catch (error) {
      exitCode = exitCode === EXIT.ok ? exitCodeOf(error) : exitCode;
      serversAway ||= error instanceof BelfryError && error.retryable;
      const { runId, tenant, jobId } = run;
      const code = error instanceof BelfryError ? error.code : 'bug';
      return { runId, tenant, jobId, outcome: 'failed', replay: null, error: { code, message: messageOf(error) } };
    }
  };
  for (const run of runs) {
    if (interrupted.aborted || serversAway) break;
    sent.push(send(run));
    if (intervalMs !== undefined) await deps.clock.sleep(intervalMs, interrupted);
    else if (sent.length % AT_ONCE === 0) await Promise.all(sent);
  }
  return { results: await Promise.all(sent), exitCode: exitCode };
}

async function replay(deps: CliDeps, run: DeadRunSummary, { force }: ReplayFlags): Promise<ReplayResult> {
  const { runId, tenant, jobId, scheduledFor } = run;
  const commandId = deps.ids.uuid();
  const { outcome } = await deps.client().replay(jobId, runId, { tenant, commandId, force });
  const replayId = runIdOf({ tenant, jobId, trigger: 'replay', cause: commandId, scheduledFor });
  return { runId, tenant, jobId, outcome, replay: replayId, error: null };
}

export function replaysText(results: readonly ReplayResult[]): string {
  if (results.length === 0) return 'nothing to replay';
  const rows = results.map(({ runId, tenant, jobId, outcome, replay: replayId, error }) => [
    runId,
    jobName(tenant, jobId),
    error === null ? outcome : `${error.code}: ${error.message}`,
    replayId ?? '-',
  ]);
  return table(['RUN', 'JOB', 'OUTCOME', 'NOW RUNS AS'], rows);
}
