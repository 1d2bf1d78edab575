import { TERMINAL_STATUSES, type TerminalStatus } from '../../core/model.ts';
import type { Outcome } from '../../core/records.ts';
import { outcomeJson } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import {
  byTenant,
  eventArgument,
  group,
  jobIdArgument,
  jsonValue,
  leaf,
  ofTenant,
  oneOf,
  whole,
  type JsonOption,
  type TenantOption,
} from '../options.ts';
import { json } from '../output.ts';
import { outcomeLine } from '../views.ts';

type EmitFlags = JsonOption & TenantOption & { id?: string; payload?: { value: unknown } };
type WatchOptions = JsonOption & { tenant?: string; job?: string; status?: TerminalStatus; limit?: number };

export function addEvents({ program, deps, action }: Cli): void {
  const events = group(program, 'events', 'Hear what comes of runs, and emit events that jobs listen to', [
    'belfry events watch',
    `belfry events emit user.signup --payload '{"plan":"pro"}'`,
  ]);
  const watch = leaf(events, 'watch', 'Print the outcome of every run as it comes in, until Ctrl-C', [
    'belfry events watch',
    'belfry events watch --status FAILED --json | jq .jobId',
  ]);
  byTenant(watch)
    .option('--job <id>', 'only of this job', jobIdArgument)
    .addOption(oneOf('--status <status>', 'only with this status', TERMINAL_STATUSES))
    .option('--limit <n>', 'end after so many', whole('--limit', 1, Number.MAX_SAFE_INTEGER))
    .action(action((options: WatchOptions) => watchEvents(deps, options)));

  const emit = leaf(events, 'emit', 'Emit an event: every job with --on NAME that lets it pass runs', [
    `belfry events emit user.signup --payload '{"plan":"pro"}' --id signup-4711`,
  ]);
  ofTenant(emit)
    .argument('<name>', "the event's name", eventArgument)
    .option('--payload <json>', 'what handlers get as ctx.event.payload', jsonValue('--payload'))
    .option('--id <id>', 'the same id twice is one event, for a day at least (default: a new one)')
    .action(action((name: string, options: EmitFlags) => emitEvent(deps, name, options)));
}

async function emitEvent(deps: CliDeps, name: string, options: EmitFlags): Promise<ExitCode> {
  const { tenant, id: eventId, payload } = options;
  const result = await deps.client().emit(name, payload?.value ?? null, { tenant, ...(eventId && { eventId }) });
  const { outcome, matched } = result;
  const jobs = matched === null ? 'it was emitted before' : `${matched} ${matched === 1 ? 'job' : 'jobs'}`;
  deps.print(options.json ? json(result) : `${outcome}  ${name}  ${result.eventId}: ${jobs}`);
  return EXIT.ok;
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
