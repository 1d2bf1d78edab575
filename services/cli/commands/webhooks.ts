import type { Command } from 'commander';
import type { z } from 'zod';
import { TERMINAL_STATUSES } from '../../core/model.ts';
import type { Webhook } from '../../core/ports/webhooks.ts';
import { webhookJobId } from '../../core/own-names.ts';
import { webhookJson } from '../../core/resources.ts';
import { WEBHOOK_ID } from '../../core/spec/names.ts';
import { rejectionOf } from '../../core/spec/problems.ts';
import { newWebhookSchema, webhookRotationSchema, webhookSchema } from '../../core/spec/webhook-schema.ts';
import type { ShownWebhook } from '../../client/webhooks.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { duration, group, leaf, named, ofTenant, pair, type JsonOption, type TenantOption } from '../options.ts';
import { facts, json, table } from '../output.ts';

const DAY_MS = 86_400_000;

type FilterFlags = {
  status?: string[];
  job?: string[];
  handler?: string[];
  label?: Record<string, string>;
};
type AddFlags = JsonOption & TenantOption & FilterFlags & { id?: string; secretFile?: string; disabled?: boolean };
type SetFlags = JsonOption & TenantOption & FilterFlags & { url?: string; enable?: true; disable?: true };
type RotateFlags = JsonOption & TenantOption & { grace: number; secretFile?: string };
type Flags = JsonOption & TenantOption;

const idArgument = named('the id', WEBHOOK_ID);

export function addWebhooks({ program, deps, action }: Cli): void {
  const webhooks = group(program, 'webhooks', 'Send outcomes of runs to URLs, signed', [
    'belfry webhooks add https://example.com/hook --status FAILED',
    'belfry webhooks test wh-0a1b2c3d4e5f',
  ]);

  ofTenant(leaf(webhooks, 'list', 'List webhooks', ['belfry webhooks list --json'])).action(
    action(async ({ tenant, ...options }: Flags) => {
      const all = await deps.webhooks().list(tenant);
      deps.print(options.json ? json({ webhooks: all.map(webhookJson) }) : listText(all));
      return EXIT.ok;
    }),
  );

  const add = leaf(webhooks, 'add', 'Add a webhook; its secret is shown once', [
    'belfry webhooks add https://example.com/hook --id alerts',
    'belfry webhooks add https://example.com/hook --status COMPLETED --status FAILED --label team=billing',
  ]);
  filtered(ofTenant(add))
    .argument('<url>', 'where outcomes are sent')
    .option('--id <id>', 'its name (default: one is made)', named('--id', WEBHOOK_ID))
    .option('--secret-file <path>', 'a file with a secret of your own, whsec_…; - for standard input')
    .option('--disabled', 'send nothing yet')
    .action(
      action(async (url: string, { tenant, id, secretFile, disabled = false, ...flags }: AddFlags) => {
        const secret = await secretIn(deps, secretFile);
        const wanted = checked(newWebhookSchema, { id, secret, url, disabled, ...filterOf(flags) });
        return shown(deps, flags, await deps.webhooks().create(tenant, wanted));
      }),
    );

  ofOne(webhooks, 'show', 'Show a webhook', 'belfry webhooks show alerts').action(
    action(async (id: string, { tenant, ...options }: Flags) =>
      told(deps, options, known(await deps.webhooks().find(tenant, id), id)),
    ),
  );

  filtered(ofOne(webhooks, 'set', 'Change a webhook; its secret stays', 'belfry webhooks set alerts --disable'))
    .option('--url <url>', 'where outcomes are sent')
    .option('--enable', 'send outcomes')
    .option('--disable', 'send nothing: what waits fails')
    .action(action((id: string, flags: SetFlags) => change(deps, id, flags)));

  ofOne(webhooks, 'remove', 'Remove a webhook', 'belfry webhooks remove alerts').action(
    action(async (id: string, { tenant, ...options }: Flags) => {
      if (!(await deps.webhooks().remove(tenant, id))) known(undefined, id);
      deps.print(options.json ? json({ id }) : `removed  ${id}`);
      return EXIT.ok;
    }),
  );

  ofOne(webhooks, 'rotate', 'Another secret, shown once', 'belfry webhooks rotate alerts --grace 1h')
    .option('--grace <duration>', 'how long the former one is signed with, too (default: 1d)', duration('--grace'))
    .option('--secret-file <path>', 'a file with a secret of your own, whsec_…; - for standard input')
    .action(
      action(async (id: string, { tenant, grace = DAY_MS, secretFile, ...options }: RotateFlags) => {
        const { secret } = checked(webhookRotationSchema, { secret: await secretIn(deps, secretFile) });
        const rotation = { grace, ...(secret !== undefined && { secret }) };
        return shown(deps, options, known(await deps.webhooks().rotate(tenant, id, rotation), id));
      }),
    );

  ofOne(webhooks, 'test', 'Send a test', 'belfry webhooks test alerts').action(
    action(async (id: string, { tenant, ...options }: Flags) => {
      const test = known(await deps.webhooks().test(tenant, id), id);
      deps.print(
        options.json ? json(test) : `sending  ${test.runId}  belfry runs show ${test.runId} tells what came of it`,
      );
      return EXIT.ok;
    }),
  );
}

function ofOne(webhooks: Command, name: string, summary: string, example: string): Command {
  return ofTenant(leaf(webhooks, name, summary, [example])).argument('<id>', 'the webhook', idArgument);
}

function filtered(command: Command): Command {
  return command
    .option('--status <status>', `${TERMINAL_STATUSES.join(', ')}; may be repeated (default: FAILED)`, collected)
    .option('--job <id>', 'only of this job; may be repeated', collected)
    .option('--handler <name>', 'only of this handler; may be repeated', collected)
    .option('--label <name=value>', 'only with this label; may be repeated', pair('--label'));
}

function collected(text: string, former: string[] = []): string[] {
  return [...former, text];
}

function filterOf({ status, job, handler, label }: FilterFlags): object {
  const given = { statuses: status, jobs: job, handlers: handler, labels: label };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function change(deps: CliDeps, id: string, flags: SetFlags): Promise<ExitCode> {
  const { tenant, url, enable, disable, ...rest } = flags;
  if (enable && disable) throw usageError('--enable and --disable do not go together.');
  const {
    tenant: _,
    id: __,
    createdAt: ___,
    updatedAt: ____,
    ...former
  } = known(await deps.webhooks().find(tenant, id), id);
  const disabled = disable ?? (enable ? false : former.disabled);
  const wanted = { ...former, ...filterOf(rest), disabled, url: url ?? former.url };
  return told(deps, rest, known(await deps.webhooks().replace(tenant, id, checked(webhookSchema, wanted)), id));
}

/** @throws BelfryError `usage` */
function checked<S extends z.ZodType>(schema: S, written: object): z.output<S> {
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined));
  const { data, error } = schema.safeParse(given);
  if (error === undefined) return data;
  throw usageError(`${rejectionOf(error, given, 'the webhook').message}.`);
}

async function secretIn(deps: CliDeps, path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : (await deps.readFile(path)).trim();
}

function known<T>(found: T | undefined, id: string): T {
  if (found === undefined) throw notFound(`There is no webhook ${id}: see belfry webhooks list.`);
  return found;
}

function shown(deps: CliDeps, options: JsonOption, { secret, webhook }: ShownWebhook): ExitCode {
  if (options.json) deps.print(json({ secret, ...webhookJson(webhook) }));
  else deps.print(facts([['secret', secret], ...factsOf(webhook)]));
  if (!options.json) deps.warn('The secret is shown this once: receivers verify signatures with it.');
  return EXIT.ok;
}

function told(deps: CliDeps, options: JsonOption, webhook: Webhook): ExitCode {
  deps.print(options.json ? json(webhookJson(webhook)) : facts(factsOf(webhook)));
  return EXIT.ok;
}

function factsOf(webhook: Webhook): [string, string][] {
  const { tenant, id, url, statuses, jobs, handlers, labels, disabled } = webhook;
  return [
    ['id', id],
    ['tenant', tenant],
    ['url', url],
    ['statuses', statuses.join(', ')],
    ['jobs', jobs.join(', ') || 'all'],
    ['handlers', handlers.join(', ') || 'all'],
    ['labels', labelsText(labels) || 'any'],
    ['sends', disabled ? 'no, it is disabled' : 'yes'],
    ['deliveries', `belfry runs list --job ${webhookJobId(id)}`],
  ];
}

function listText(all: readonly Webhook[]): string {
  if (all.length === 0) return 'no webhooks yet: belfry webhooks add URL';
  const rows = all.map(({ id, url, statuses, jobs, handlers, labels, disabled }) => {
    const only = [...jobs, ...handlers, labelsText(labels)].filter((text) => text !== '').join(' ');
    return [id, statuses.join(','), only || 'all', disabled ? 'no' : 'yes', url];
  });
  return table(['WEBHOOK', 'STATUSES', 'OF', 'SENDS', 'URL'], rows);
}

function labelsText(labels: Webhook['labels']): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
