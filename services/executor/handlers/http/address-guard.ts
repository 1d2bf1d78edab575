/**
 * Outgoing HTTP must not reach into the private network: jobs come from many hands, and a URL such as a cloud's metadata
 * address would hand out its secrets. The check is made on the resolved address, at the moment of connecting, so that a
 * name which resolves to something else the second time gains nothing.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { BelfryError } from '../../../core/errors.ts';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

export class AddressGuard {
  private readonly hosts: ReadonlySet<string>;
  private readonly ranges: readonly Range[];

  /**
   * @param allow host names, addresses and CIDRs that may be reached although they are private (`BELFRY_HTTP_ALLOW`)
   * @throws BelfryError `config_invalid` for an entry with a slash that is no CIDR
   */
  constructor(allow: readonly string[]) {
    this.ranges = allow.filter((entry) => entry.includes('/') || isIP(entry) !== 0).map(rangeOf);
    this.hosts = new Set(
      allow.filter((entry) => !entry.includes('/') && isIP(entry) === 0).map((host) => host.toLowerCase()),
    );
  }

  /** Whether this host, resolved to this address, may be connected to. */
  allows(host: string, address: string): boolean {
    if (this.hosts.has(host.toLowerCase())) return true;
    const parsed = ipaddr.process(address); // an IPv4 address in IPv6 clothes is judged as the former
    if (this.ranges.some(([base, bits]) => parsed.kind() === base.kind() && parsed.match(base, bits))) return true;
    return parsed.range() === 'unicast';
  }

  /** @throws BelfryError `address_denied` */
  check(host: string, address: string): void {
    if (!this.allows(host, address)) throw denied(host, address);
  }

  /** For sockets: resolves a name and keeps only the addresses that may be reached. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return void callback(error, '', 0);
      const allowed = addresses.filter(({ address }) => this.allows(host, address));
      const first = allowed[0];
      if (first === undefined) return void callback(denied(host, addresses[0]?.address ?? 'nothing'), '', 0);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

function denied(host: string, address: string): BelfryError {
  return new BelfryError(
    'address_denied',
    `${host} resolves to ${address}, which is not a public address. To allow it, add the host or a CIDR to BELFRY_HTTP_ALLOW on the executors.`,
  );
}

function rangeOf(entry: string): Range {
  try {
    if (entry.includes('/')) return ipaddr.parseCIDR(entry);
    const address = ipaddr.process(entry);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw new BelfryError(
      'config_invalid',
      `BELFRY_HTTP_ALLOW: "${entry}" is neither a host, an address nor a CIDR such as 10.0.0.0/8.`,
      { cause },
    );
  }
}
