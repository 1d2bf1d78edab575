import type { Tenant } from '../../core/ports/tenants.ts';
import { topicsOf } from '../../core/topics.ts';
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
  ['--payload-bytes <n>', 'payloadBytes', 'of a payload, as JSON'],
  ['--min-interval <duration>', 'minInterval', 'between two occurrences of a job: 1m'],
  ['--history-days <n>', 'historyDays', 'how long ended runs are kept'],
  ['--queue <name>', 'queue', 'where all of its runs go, and nowhere else'],
] as const;
type Field = (typeof QUOTAS)[number][1];
type Flags = JsonOption & Partial<Record<Field, string>>;

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
  for (const [flag, , what] of QUOTAS) set.option(flag, what);
  set.action(
    action(async (tenant: string, { json: asJson, ...flags }: Flags) => {
      const changes = quotasOf(read(flags));
      if (Object.keys(changes).length === 0) throw usageError('Say what to change, such as --jobs 1000.');
      if (typeof changes.queue === 'string') await requireQueue(deps, changes.queue);
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
function read(flags: Partial<Record<Field, string>>): ReturnType<typeof quotasSchema.parse> {
  const written = Object.entries(flags).map(([field, text]) => {
    if (text === 'none') return [field, null];
    return [field, TEXTS.has(field as Field) ? text : Number(text)];
  });
  const parsed = quotasSchema.safeParse(Object.fromEntries(written));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const flag = QUOTAS.find(([, field]) => field === issue?.path[0])?.[0].split(' ')[0];
  throw usageError(`${flag} ${issue?.message}; or none.`);
}

/** Runs that go to topics which do not exist would wait for ever. */
async function requireQueue(deps: CliDeps, queue: string): Promise<void> {
  const topic = topicsOf(deps.config().topicPrefix).due(queue, 'medium');
  if ((await deps.broker().partitions(topic)) !== undefined) return;
  throw notFound(`There is no queue ${queue}: create it with belfry migrate --queue ${queue}.`);
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
  const head = ['TENANT', 'JOBS', 'RUNS/S', 'CONCURRENT', 'PAYLOAD', 'INTERVAL', 'HISTORY', 'QUEUE'];
  return table(
    head,
    tenants.map((each) => [each.tenant, ...cellsOf(each)]),
  );
}

function cellsOf({
  jobs,
  runsPerSecond,
  concurrentRuns,
  payloadBytes,
  minIntervalMs,
  historyDays,
  queue,
}: Tenant): string[] {
  const interval = minIntervalMs === null ? null : formatDuration(minIntervalMs);
  const days = historyDays === null ? null : `${historyDays}d`;
  return [jobs, runsPerSecond, concurrentRuns, payloadBytes, interval, days, queue].map((each) => String(each ?? '-'));
}
