/**
 * Outgoing HTTP must not reach into the private network: jobs come from many hands, and a URL such as a cloud's metadata
 * address would hand out its secrets. The check is made on the resolved address, at the moment of connecting, so that a
 * name which resolves to something else the second time gains nothing.
 */
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { BelfryError } from '../../../core/errors.ts';
import { Gate } from './gate.ts';
import { NameResolver } from './name-resolver.ts';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * Where clouds tell programs of their machine, keys included. Only an entry that is at least as narrow allows them, so that a wide
 * network for the sake of others does not.
 */
const METADATA: readonly Range[] = [
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::/32',
].map((network) => ipaddr.parseCIDR(network));
/** The system is asked for names by so many at once; there are four threads. */
const SYSTEM_LOOKUPS = 2;
const HOST_NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

export class AddressGuard {
  private readonly hosts = new Set<string>();
  private readonly ranges: Range[] = [];
  private readonly names: NameResolver;

  /**
   * @param allow host names, addresses and CIDRs that may be reached although they are private (`BELFRY_HTTP_ALLOW`)
   * @throws BelfryError `config_invalid` for an entry that is none of these, or could never match
   */
  constructor(allow: readonly string[], names = new NameResolver(new Gate(SYSTEM_LOOKUPS))) {
    this.names = names;
    for (const entry of allow) {
      const bare = entry.toLowerCase().replace(/^\[(.*)\]$/, '$1');
      if (bare.includes('/') || isIP(bare) !== 0) this.ranges.push(rangeOf(bare, entry));
      else if (isHostName(bare)) this.hosts.add(bare);
      else throw notAllowable(entry);
    }
  }

  /** Whether this host, resolved to this address, may be connected to. */
  allows(host: string, address: string): boolean {
    if (this.hosts.has(host.toLowerCase().replace(/\.$/, ''))) return true;
    const parsed = ipaddr.process(address); // an IPv4 address in IPv6 clothes is judged as the former
    const metadata = METADATA.find((range) => isIn(parsed, range));
    if (metadata !== undefined) return this.ranges.some((range) => isIn(parsed, range) && range[1] >= metadata[1]);
    return this.ranges.some((range) => isIn(parsed, range)) || isPublic(parsed);
  }

  /** Makes undici's connections, of one tenant: each one passes here, whichever way its host is written. */
  connector(): buildConnector.connector {
    const connect = buildConnector({ lookup: this.lookup() });
    return (options, callback) => {
      const host = options.hostname;
      // Sockets look up names only; an address is connected to as it is.
      if (isIP(host) !== 0 && !this.allows(host, host)) callback(denied(host), null);
      else connect(options, callback);
    };
  }

  /** For sockets: resolves names and keeps only the addresses that may be reached. */
  lookup(): LookupFunction {
    const own = new Gate(1);
    return (host, options, callback) => {
      const found = this.names.resolve(host, own).then((addresses) => {
        const allowed = addresses.filter(({ address }) => this.allows(host, address));
        if (allowed.length === 0) throw denied(host);
        return allowed;
      });
      found.then(
        (allowed) =>
          options.all === true ? callback(null, allowed) : callback(null, allowed[0]!.address, allowed[0]!.family),
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      );
    };
  }
}

function isIn(address: ipaddr.IPv4 | ipaddr.IPv6, [base, bits]: Range): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

/** As the host of a URL comes out: anything else, such as 127.1, would never match. */
function isHostName(text: string): boolean {
  return HOST_NAME.test(text) && URL.parse(`http://${text}`)?.hostname === text;
}

/** The only part of IPv6 that is given out: the rest has forms that reach IPv4 hosts, such as ::127.0.0.1. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_IPV6);
}

/** What a name resolves to is not told: it says where things are in a network that is not the tenant's. */
function denied(host: string): BelfryError {
  const what = isIP(host) === 0 ? `${host} does not lead to a public address` : `${host} is not a public address`;
  return new BelfryError(
    'address_denied',
    `${what}. To allow it, add the host or a CIDR to BELFRY_HTTP_ALLOW on the executors.`,
  );
}

function rangeOf(text: string, entry: string): Range {
  try {
    if (text.includes('/')) {
      const [base, bits] = ipaddr.parseCIDR(text);
      // Addresses in IPv6 clothes are judged as IPv4.
      if (base instanceof ipaddr.IPv6 && base.isIPv4MappedAddress()) throw new Error('write it as IPv4');
      return [base, bits];
    }
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
