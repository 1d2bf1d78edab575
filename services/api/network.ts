/** Who an address belongs to, as far as counting goes. */
import { isIP } from 'node:net';

/**
 * The network that is counted as one: an IPv4 address by itself, of IPv6 the /64, of which every subscriber has one or more.
 * @param address as sockets and proxies tell it
 */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%'); // the zone of a link-local one
  if (isIP(text) !== 6) return text;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = text.split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const whole = [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  return `${whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** A dotted end stands for two groups; what they say is of no interest. */
function groupsOf(text: string): string[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
}
