import { AUDIT_ACTIONS, type Actor } from '../../core/audit.ts';
import type { FieldChange } from '../../core/field-changes.ts';
import type { AuditFilter, AuditRecord } from '../../core/ports/audit.ts';
import { auditJson } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import type { ExitCode } from '../exit.ts';
import { printList, upTo } from '../list.ts';
import { byTenant, byTime, jobIdArgument, leaf, limited, oneOf, type JsonOption } from '../options.ts';
import { jobName, when } from '../output.ts';
import { shortened } from '../views.ts';

type Flags = JsonOption & Omit<AuditFilter, 'jobId' | 'before'> & { job?: string; limit: number };

export function addAudit({ program, deps, action }: Cli): void {
  const audit = leaf(program, 'audit', 'Show who changed what, the latest first', [
    'belfry audit --job report',
    'belfry audit --actor ci --since 24h --json',
  ]);
  byTime(limited(byTenant(audit), 20), deps.clock, 'changed')
    .option('--job <id>', 'only of this job', jobIdArgument)
    .option('--actor <actor>', 'only by this one: prefix or name of a key, or key, kafka, sql, cli')
    .addOption(oneOf('--action <action>', 'only these', AUDIT_ACTIONS))
    .action(action((flags: Flags) => showAudit(deps, flags)));
}

async function showAudit(deps: CliDeps, { json: asJson, job: jobId, limit, ...filter }: Flags): Promise<ExitCode> {
  const { tenant, actor, action, since, until } = filter;
  const found = await deps.audit().list({ tenant, jobId, actor, action, since, until }, limit + 1);
  return printList(deps, asJson, {
    ...upTo(limit, found),
    name: 'entries',
    toJson: auditJson,
    head: ['WHEN', 'WHAT', 'OF', 'BY', 'CHANGES'],
    cells,
    none: 'nothing was changed, or the filters leave nothing over',
    others: '--limit, --since and --until show others',
  });
}

function cells({ at, action, tenant, jobId, version, actor, changes }: AuditRecord, now: number): string[] {
  const of = jobId === null ? tenant : jobName(tenant, jobId);
  const what = version === null || action !== 'schedule' ? action : `schedule (version ${version})`;
  return [when(at, now), what, of, actorText(actor), changes.map(changeText).join('; ') || '-'];
}

function actorText({ kind, id, name }: Actor): string {
  return [kind, name, id === null ? null : `(${id})`].filter((part) => part !== null).join(' ');
}

function changeText({ field, from, to }: FieldChange): string {
  const text = (value: unknown): string => (value === undefined ? 'none' : shortened(JSON.stringify(value), 60));
  return from === undefined ? `${field}: ${text(to)}` : `${field}: ${text(from)} → ${text(to)}`;
}
