/**
 * Outgoing HTTP must not reach into the private network: jobs come from many hands, and a URL such as a cloud's metadata
 * address would hand out its secrets. The check is made on the resolved address, at the moment of connecting, so that a
 * name which resolves to something else the second time gains nothing.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { BelfryError } from '../../../core/errors.ts';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

export class AddressGuard {
  private readonly hosts = new Set<string>();
  private readonly ranges: Range[] = [];

  /**
   * @param allow host names, addresses and CIDRs that may be reached although they are private (`BELFRY_HTTP_ALLOW`)
   * @throws BelfryError `config_invalid` for an entry that is none of these
   */
  constructor(allow: readonly string[]) {
    for (const entry of allow) {
      const bare = entry.toLowerCase().replace(/^\[(.*)\]$/, '$1');
      if (bare.includes('/') || isIP(bare) !== 0) this.ranges.push(rangeOf(bare, entry));
      else if (HOST_NAME.test(bare)) this.hosts.add(bare);
      else throw notAllowable(entry);
    }
  }

  /** Whether this host, resolved to this address, may be connected to. */
  allows(host: string, address: string): boolean {
    if (this.hosts.has(host.toLowerCase().replace(/\.$/, ''))) return true;
    const parsed = ipaddr.process(address); // an IPv4 address in IPv6 clothes is judged as the former
    if (this.ranges.some(([base, bits]) => parsed.kind() === base.kind() && parsed.match(base, bits))) return true;
    return isPublic(parsed);
  }

  /** Makes undici's connections: each one passes here, whichever way its host is written. */
  connector(): buildConnector.connector {
    const connect = buildConnector({ lookup: this.lookup });
    return (options, callback) => {
      const host = options.hostname;
      // Sockets look up names only; an address is connected to as it is.
      if (isIP(host) !== 0 && !this.allows(host, host)) callback(denied(host, host), null);
      else connect(options, callback);
    };
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

/** The only part of IPv6 that is given out: the rest has forms that reach IPv4 hosts, such as ::127.0.0.1. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_IPV6);
}

function denied(host: string, address: string): BelfryError {
  const what =
    host === address
      ? `${host} is not a public address`
      : `${host} resolves to ${address}, which is not a public address`;
  return new BelfryError(
    'address_denied',
    `${what}. To allow it, add the host or a CIDR to BELFRY_HTTP_ALLOW on the executors.`,
  );
}

function rangeOf(text: string, entry: string): Range {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw notAllowable(entry, cause);
  }
}

function notAllowable(entry: string, cause?: unknown): BelfryError {
  const message = `BELFRY_HTTP_ALLOW: "${entry}" is neither a host (without scheme and port), an address nor a CIDR such as 10.0.0.0/8.`;
  return new BelfryError('config_invalid', message, { cause });
}
