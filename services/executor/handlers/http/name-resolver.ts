/**
 * Resolves the names that jobs send to.
 *
 * Invariant: names that are never answered stall nobody. `dns.lookup` takes one of the four threads that files are read with, too, and
 * keeps it for as long as a name server likes: so it is asked last, for names that only the system knows, by two at once.
 */
import { lookup, NODATA, NOTFOUND, promises, type LookupAddress } from 'node:dns';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Gate } from './gate.ts';

const HOSTS_FILE = '/etc/hosts';
/** Of one try of one server. */
const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** What a name server says of names that it does not have, and what is said where there is no name server. */
const UNKNOWN = new Set<unknown>([NODATA, NOTFOUND, 'ECONNREFUSED']);

type NameServers = Pick<promises.Resolver, 'resolve4' | 'resolve6'>;

export class NameResolver {
  private readonly servers: NameServers;
  private readonly system: Gate;
  private readonly hostsFile: string;

  /** @param system all that asks the system goes through it */
  constructor(
    system: Gate,
    servers: NameServers = new promises.Resolver({ timeout: TIMEOUT_MS, tries: TRIES }),
    hostsFile = HOSTS_FILE,
  ) {
    this.system = system;
    this.servers = servers;
    this.hostsFile = hostsFile;
  }

  /**
   * @param own a tenant's: it has its own turns at the system
   * @throws Error with a `code` such as ENOTFOUND or ETIMEOUT
   */
  async resolve(host: string, own: Gate): Promise<LookupAddress[]> {
    const listed = await this.listed(host);
    if (listed.length > 0) return listed;
    const { servers } = this;
    const [v4, v6] = await Promise.allSettled([servers.resolve4(host), servers.resolve6(host)]);
    const found = [...addressesOf(v4, 4), ...addressesOf(v6, 6)];
    if (found.length > 0) return found;
    const silent = [v4, v6].find((each) => each.status === 'rejected' && !UNKNOWN.has(codeOf(each.reason)));
    if (silent?.status === 'rejected') throw silent.reason;
    return own.run(() => this.system.run(() => systemLookup(host)));
  }

  private async listed(host: string): Promise<LookupAddress[]> {
    const name = host.toLowerCase();
    const text = await readFile(this.hostsFile, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const [address = '', ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/);
      return isIP(address) > 0 && names.includes(name) ? [{ address, family: isIP(address) }] : [];
    });
  }
}

function addressesOf(found: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return found.status === 'fulfilled' ? found.value.map((address) => ({ address, family })) : [];
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

function systemLookup(host: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });
}
