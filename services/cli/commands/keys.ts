import { KEY_PREFIX } from '../../core/api-key.ts';
import { SCOPES, type ApiKey, type Scope } from '../../core/ports/api-keys.ts';
import { keyJson } from '../../core/resources.ts';
import { LABEL_VALUE } from '../../core/spec/names.ts';
import type { ShownKey } from '../backend.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { byTenant, duration, group, leaf, named, ofTenant, type JsonOption, type TenantOption } from '../options.ts';
import { facts, json, table, when } from '../output.ts';

const DAY_MS = 86_400_000;

type CreateFlags = JsonOption & TenantOption & { scopes: Scope[]; expires?: number };
type RotateFlags = JsonOption & { grace: number };

export function addKeys({ program, deps, action }: Cli): void {
  const keys = group(program, 'keys', 'Make and end keys of the HTTP API', [
    'belfry keys create ci --scopes read,write --expires 90d',
    'belfry keys list',
  ]);

  ofTenant(
    leaf(keys, 'create', 'Make a key; it is shown once', [
      'belfry keys create dashboard --scopes read',
      'belfry keys create ops --tenant acme --scopes admin',
    ]),
  )
    .argument('<name>', 'what it is for', named('the name', LABEL_VALUE))
    .option('--scopes <list>', `of ${SCOPES.join(', ')}, with commas; admin may do all`, scopesOf, ['read'] as Scope[])
    .option(
      '--expires <duration>',
      'how long it works, such as 90d (default: until it is revoked)',
      duration('--expires'),
    )
    .action(
      action(async (name: string, { tenant, scopes, expires, ...options }: CreateFlags) => {
        const made = await deps.keys().create({ tenant, name, scopes, ttlMs: expires ?? null });
        return shown(deps, options, made);
      }),
    );

  byTenant(leaf(keys, 'list', 'List keys, ended ones too', ['belfry keys list --tenant acme'])).action(
    action(async ({ tenant, ...options }: JsonOption & { tenant?: string }) => {
      const found = await deps.keys().list(tenant);
      deps.print(options.json ? json({ keys: found.map(keyJson) }) : listText(found, deps.clock.now()));
      return EXIT.ok;
    }),
  );

  leaf(keys, 'revoke', 'End a key, within seconds', ['belfry keys revoke 0a1b2c3d4e5f'])
    .argument('<prefix>', 'the key, as the list names it', prefixArgument)
    .action(
      action(async (prefix: string, options: JsonOption) => {
        const key = await deps.keys().revoke(prefix);
        if (key === undefined) throw notFound(`There is no key ${prefix}: see belfry keys list.`);
        deps.print(options.json ? json(keyJson(key)) : `revoked  ${prefix}  ${key.tenant}  ${key.name}`);
        return EXIT.ok;
      }),
    );

  leaf(keys, 'rotate', 'Make a key in the place of another, which works on for a while', [
    'belfry keys rotate 0a1b2c3d4e5f --grace 1h',
  ])
    .argument('<prefix>', 'the former key, as the list names it', prefixArgument)
    .option('--grace <duration>', 'how long the former key works on (default: 1d)', duration('--grace'), DAY_MS)
    .action(
      action(async (former: string, { grace, ...options }: RotateFlags) => {
        const made = await deps.keys().rotate(former, grace);
        if (made === undefined) throw notFound(`There is no key ${former} that works: see belfry keys list.`);
        return shown(deps, options, made);
      }),
    );
}

function shown(deps: CliDeps, options: JsonOption, { text, key }: ShownKey): ExitCode {
  if (options.json) {
    deps.print(json({ key: text, ...keyJson(key) }));
    return EXIT.ok;
  }
  const { tenant, name, scopes, expiresAt } = key;
  const life = expiresAt === null ? 'until it is revoked' : when(expiresAt, deps.clock.now());
  deps.print(
    facts([
      ['key', text],
      ['tenant', tenant],
      ['name', name],
      ['scopes', scopes.join(', ')],
      ['works', life],
    ]),
  );
  deps.warn('The key is shown this once: keep it safe.');
  return EXIT.ok;
}

function listText(keys: readonly ApiKey[], now: number): string {
  if (keys.length === 0) return 'no keys yet: belfry keys create NAME --scopes read';
  const rows = keys.map((key) => [
    ...[key.prefix, key.tenant, key.name, key.scopes.join(',')],
    stateText(key, now),
    when(key.lastUsedAt, now),
  ]);
  return table(['KEY', 'TENANT', 'NAME', 'SCOPES', 'WORKS', 'LAST USED'], rows);
}

function stateText({ revokedAt, expiresAt }: ApiKey, now: number): string {
  if (revokedAt !== null) return `revoked ${when(revokedAt, now)}`;
  if (expiresAt === null) return 'yes';
  return `${expiresAt > now ? 'until' : 'expired'} ${when(expiresAt, now)}`;
}

function scopesOf(text: string): Scope[] {
  const scopes = SCOPES.filter((scope) => text.split(',').includes(scope));
  if (scopes.length === 0 || scopes.length !== new Set(text.split(',')).size) {
    throw usageError(`--scopes takes ${SCOPES.join(', ')}, with commas between, not "${text}".`);
  }
  return scopes;
}

function prefixArgument(text: string): string {
  // A whole key is taken too: that is what people have at hand.
  const prefix = /^bfy_([0-9a-f]{12})_/.exec(text)?.[1] ?? text;
  if (!KEY_PREFIX.test(prefix))
    throw usageError(`the key takes 12 hexadecimal digits, as belfry keys list shows, not "${prefix}".`);
  return prefix;
}
