import { TERMINAL_STATUSES, type TerminalStatus } from '../../core/model.ts';
import type { Outcome } from '../../core/records.ts';
import { outcomeJson } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { byTenant, group, jobIdArgument, leaf, oneOf, whole, type JsonOption } from '../options.ts';
import { outcomeLine } from '../views.ts';

type WatchOptions = JsonOption & { tenant?: string; job?: string; status?: TerminalStatus; limit?: number };

export function addEvents({ program, deps, action }: Cli): void {
  const events = group(program, 'events', 'Hear what comes of runs', ['belfry events watch']);
  const watch = leaf(events, 'watch', 'Print the outcome of every run as it comes in, until Ctrl-C', [
    'belfry events watch',
    'belfry events watch --status FAILED --json | jq .jobId',
  ]);
  byTenant(watch)
    .option('--job <id>', 'only of this job', jobIdArgument)
    .addOption(oneOf('--status <status>', 'only with this status', TERMINAL_STATUSES))
    .option('--limit <n>', 'end after so many', whole('--limit', 1, Number.MAX_SAFE_INTEGER))
    .action(action((options: WatchOptions) => watchEvents(deps, options)));
}

async function watchEvents(deps: CliDeps, options: WatchOptions): Promise<ExitCode> {
  const { tenant, job: jobId, status, limit = Infinity } = options;
  const interrupted = deps.interrupted();
  await new Promise<void>((resolve, reject) => {
    interrupted.addEventListener('abort', () => resolve(), { once: true });
    let count = 0;
    const onOutcome = (outcome: Outcome): void => {
      if (count >= limit) return;
      deps.print(options.json ? JSON.stringify(outcomeJson(outcome)) : outcomeLine(outcome));
      count += 1;
      if (count === limit) resolve();
    };
    const statuses = status && [status];
    deps
      .client()
      .onOutcome(onOutcome, { tenant, jobId, ...(statuses && { statuses }) })
      .then(() => deps.warn('watching job.completed (times are UTC); Ctrl-C ends'), reject);
  });
  return EXIT.ok;
}
