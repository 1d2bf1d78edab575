import type { Tenant } from '../../core/ports/tenants.ts';
import { tenantJson } from '../../core/resources.ts';
import { formatDuration } from '../../core/spec/duration.ts';
import { TENANT } from '../../core/spec/names.ts';
import { quotasOf, quotasSchema } from '../../core/spec/quotas.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { group, leaf, named, type JsonOption } from '../options.ts';
import { facts, json, table } from '../output.ts';

/** Each quota: the flag, the field, and what it limits. */
const QUOTAS = [
  ['--jobs <n>', 'jobs', 'SCHEDULED and PAUSED jobs'],
  ['--runs-per-second <n>', 'runsPerSecond', 'attempts started in any second; more wait'],
  ['--concurrent-runs <n>', 'concurrentRuns', 'attempts at one time; more wait'],
  ['--handler-runs <name=n>', 'handlerRuns', 'attempts of a handler at one time; may be repeated, sets all of them'],
  ['--payload-bytes <n>', 'payloadBytes', 'of a payload, as JSON'],
  ['--min-interval <duration>', 'minInterval', 'between two occurrences of a job: 1m'],
  ['--history-days <n>', 'historyDays', 'how long ended runs are kept'],
  ['--queue <name>', 'queue', 'where all of its runs go, and nowhere else'],
] as const;
type Field = (typeof QUOTAS)[number][1];
type Flags = JsonOption & Partial<Record<Exclude<Field, 'handlerRuns'>, string>> & { handlerRuns?: string[] };

const TEXTS = new Set<Field>(['minInterval', 'queue']);
const tenantArgument = named('the tenant', TENANT);

export function addTenants({ program, deps, action }: Cli): void {
  const tenants = group(program, 'tenants', 'Quotas of tenants', [
    'belfry tenants set acme --jobs 1000 --concurrent-runs 50',
    'belfry tenants list',
  ]);

  leaf(tenants, 'list', 'List tenants with quotas', ['belfry tenants list --json']).action(
    action(async (options: JsonOption) => {
      const all = await deps.tenants().list();
      deps.print(options.json ? json({ tenants: all.map(tenantJson) }) : listText(all));
      return EXIT.ok;
    }),
  );

  leaf(tenants, 'show', 'Show the quotas of a tenant', ['belfry tenants show acme'])
    .argument('<tenant>', 'the tenant', tenantArgument)
    .action(
      action(async (tenant: string, options: JsonOption) => {
        const found = await deps.tenants().find(tenant);
        if (found === undefined) throw notFound(`The tenant ${tenant} has no quotas: see belfry tenants list.`);
        return shown(deps, options, found);
      }),
    );

  const set = leaf(tenants, 'set', 'Change quotas of a tenant; `none` takes one away', [
    'belfry tenants set acme --jobs 1000 --min-interval 1m',
    'belfry tenants set acme --queue acme',
    'belfry tenants set acme --jobs none',
  ]).argument('<tenant>', 'the tenant', tenantArgument);
  for (const [flag, field, what] of QUOTAS) {
    if (field === 'handlerRuns') set.option(flag, what, (text: string, former: string[] = []) => [...former, text]);
    else set.option(flag, what);
  }
  set.action(
    action(async (tenant: string, { json: asJson, ...flags }: Flags) => {
      const changes = quotasOf(read(flags));
      if (Object.keys(changes).length === 0) throw usageError('Say what to change, such as --jobs 1000.');
      return shown(deps, { json: asJson }, await deps.tenants().set(tenant, changes));
    }),
  );

  leaf(tenants, 'remove', 'Take all quotas of a tenant away; its jobs stay', ['belfry tenants remove acme'])
    .argument('<tenant>', 'the tenant', tenantArgument)
    .action(
      action(async (tenant: string, options: JsonOption) => {
        if (!(await deps.tenants().remove(tenant))) throw notFound(`The tenant ${tenant} has no quotas.`);
        deps.print(options.json ? json({ tenant }) : `removed  ${tenant}`);
        return EXIT.ok;
      }),
    );
}

/** @throws BelfryError `usage` */
function read(flags: Omit<Flags, 'json'>): ReturnType<typeof quotasSchema.parse> {
  const written = Object.entries(flags).map(([field, text]) => {
    if (String(text) === 'none') return [field, null];
    if (typeof text !== 'string') return [field, Object.fromEntries(text.map(numberOf))];
    return [field, TEXTS.has(field as Field) ? text : Number(text)];
  });
  const parsed = quotasSchema.safeParse(Object.fromEntries(written));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const flag = QUOTAS.find(([, field]) => field === issue?.path[0])?.[0].split(' ')[0];
  throw usageError(`${flag} ${issue?.message}; or none.`);
}

/** `send-mail=5`; a handler's name may hold the sign. */
function numberOf(text: string): [string, number] {
  const at = text.lastIndexOf('=');
  if (at < 1) throw usageError(`--handler-runs takes name=number, or none, not "${text}".`);
  return [text.slice(0, at), Number(text.slice(at + 1))];
}

function shown(deps: CliDeps, options: JsonOption, tenant: Tenant): ExitCode {
  const cells = cellsOf(tenant);
  deps.print(
    options.json
      ? json(tenantJson(tenant))
      : facts([['tenant', tenant.tenant], ...QUOTAS.map(([, field], at): [string, string] => [field, cells[at]!])]),
  );
  return EXIT.ok;
}

function listText(tenants: readonly Tenant[]): string {
  if (tenants.length === 0) return 'no tenant has quotas: belfry tenants set NAME --jobs 1000';
  const head = ['TENANT', 'JOBS', 'RUNS/S', 'CONCURRENT', 'HANDLERS', 'PAYLOAD', 'INTERVAL', 'HISTORY', 'QUEUE'];
  return table(
    head,
    tenants.map((each) => [each.tenant, ...cellsOf(each)]),
  );
}

function cellsOf({
  jobs,
  runsPerSecond,
  concurrentRuns,
  handlerRuns,
  payloadBytes,
  minIntervalMs,
  historyDays,
  queue,
}: Tenant): string[] {
  const interval = minIntervalMs === null ? null : formatDuration(minIntervalMs);
  const days = historyDays === null ? null : `${historyDays}d`;
  const handlers =
    handlerRuns &&
    Object.entries(handlerRuns)
      .map(([name, most]) => `${name}=${most}`)
      .join(' ');
  return [jobs, runsPerSecond, concurrentRuns, handlers, payloadBytes, interval, days, queue].map((each) =>
    String(each ?? '-'),
  );
}
