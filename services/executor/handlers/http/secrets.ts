/**
 * Secrets that jobs name and executors send.
 *
 * Invariant: a secret that is bound to hosts goes to no other one, whatever asks for it: nobody reads a secret without saying where it
 * is to go.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { BelfryError } from '../../../core/errors.ts';
import type { Log } from '../../../core/ports/log.ts';

/** A host, `*.` before it for all below it, with a port where that is not the scheme's own. */
const HOST = /^(\*\.)?([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(:\d{1,5})?$/;
const boundSecret = z.strictObject({
  value: z.string(),
  hosts: z.array(z.string().toLowerCase().regex(HOST)).min(1),
});

type Secret = { value: string; hosts: readonly string[] | 'any' };

export class Secrets {
  private readonly dir: string | undefined;
  private readonly log: Log;
  private readonly warned = new Set<string>();

  /** @param dir `BELFRY_SECRETS_DIR`; the file is `<dir>/<tenant>/<name>` (both names were validated and hold no path) */
  constructor(dir: string | undefined, log: Log) {
    this.dir = dir;
    this.log = log;
  }

  /**
   * Reads a secret at the moment of sending, so that it stands in no topic and no table, and a rotated one is used at once.
   * @param url where it is to be sent
   * @throws BelfryError `secret_denied` for another host than those that it is bound to; `secret_not_found`: retried, because the
   *   file may be on its way to this machine
   */
  async read(tenant: string, name: string, url: string): Promise<string> {
    const { value, hosts } = await this.find(tenant, name);
    if (value === '') throw unusable(name, tenant, 'is empty on this executor'); // about to be written, perhaps
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw unusable(name, tenant, 'has characters that a header cannot carry');
    if (hosts === 'any') this.warn(tenant, name);
    else if (!hosts.some((host) => isOf(new URL(url), host))) {
      const message = `The secret "${name}" of tenant ${tenant} is bound to hosts, and ${new URL(url).host} is none of them.`;
      throw new BelfryError('secret_denied', message);
    }
    return value;
  }

  private async find(tenant: string, name: string): Promise<Secret> {
    if (this.dir === undefined)
      throw unusable(name, tenant, 'is asked for, but BELFRY_SECRETS_DIR is not set on this executor');
    let text: string;
    try {
      text = (await readFile(join(this.dir, tenant, name), 'utf8')).trim();
    } catch (cause) {
      throw unusable(name, tenant, 'cannot be read on this executor', cause);
    }
    if (!text.startsWith('{')) return { value: text, hosts: 'any' };
    const bound = boundSecret.safeParse(parsed(text)).data;
    // With a mistake in it, it must not go out as it is: the mistake may be in its hosts.
    if (bound === undefined) throw unusable(name, tenant, 'is not { "value": text, "hosts": ["api.example.com"] }');
    return { value: bound.value.trim(), hosts: bound.hosts };
  }

  private warn(tenant: string, name: string): void {
    if (this.warned.has(`${tenant}/${name}`)) return;
    this.warned.add(`${tenant}/${name}`);
    this.log.warn({ tenant, secret: name }, 'a secret is not bound to hosts, so jobs may send it anywhere');
  }
}

/** Whether the URL leads to a host as a secret names it; without a port it is that of the scheme. */
function isOf(url: URL, bound: string): boolean {
  const host = url.host.replace(/\.(?=:\d+$|$)/, '');
  return bound.startsWith('*.') ? host.endsWith(bound.slice(1)) : host === bound;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unusable(name: string, tenant: string, why: string, cause?: unknown): BelfryError {
  return new BelfryError('secret_not_found', `The secret "${name}" of tenant ${tenant} ${why}.`, {
    retryable: true,
    cause,
  });
}
