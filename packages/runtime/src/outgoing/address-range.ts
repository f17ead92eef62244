import ipaddr from 'ipaddr.js';

/** What an address is, if it isn't one that everybody on the internet has in common. */
export type AddressRange = string;

/** Clouds answer with credentials there. They lie in other ranges, and one of them in a public one; nothing but their own name allows them. */
const METADATA: ReadonlySet<string> = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
]);

/** An address as it counts: an IPv4 address that is only written as an IPv6 one, or that a NAT64 stands for, is that IPv4 address. */
export function plainAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const address = ipaddr.process(withoutZone(text.replace(/^\[|\]$/g, '')));
  if (address.kind() === 'ipv6' && address.range() === 'rfc6052')
    return new ipaddr.IPv4(address.toByteArray().slice(12));
  return address;
}

/** Undefined for a public address. */
export function specialRange(address: ipaddr.IPv4 | ipaddr.IPv6): AddressRange | undefined {
  if (METADATA.has(address.toString())) return 'metadata';
  const range = address.range();
  return range === 'unicast' ? undefined : range;
}

/** `fe80::1%eth0` names the interface, too. */
function withoutZone(text: string): string {
  const at = text.indexOf('%');
  return at < 0 ? text : text.slice(0, at);
}
