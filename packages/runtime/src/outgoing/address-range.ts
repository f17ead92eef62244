import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What an address is, if it isn't one that everybody on the internet has in common. */
export type AddressRange = string;
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Where clouds answer machines with their credentials and settings, and what lies beside it. These are in different ranges, two of them in the
 * public one. Nothing but their own address allows them.
 */
export const METADATA_NETWORKS: readonly string[] = [
  // Most clouds; AWS has its name servers, clock and containers' credentials beside it.
  ...['169.254.169.0/24', '169.254.170.0/24', '169.254.0.23/32', '169.254.42.42/32'],
  // Alibaba; Azure's host; Oracle.
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'],
  // AWS; Google; Oracle; Scaleway; OpenStack.
  ...['fd00:ec2::/112', 'fd20:ce::/112', 'fd00:c1::a9fe:a9fe/128', 'fd00:42::42/128', 'fe80::a9fe:a9fe/128'],
];
const METADATA = METADATA_NETWORKS.map((text) => ipaddr.parseCIDR(text));

/** All that is routed on the internet; whatever IPv6 address lies outside is special, whether or not it has a name. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * What an address stands for, each of which has to be allowed. One notation of an IPv4 address (`::ffff:a.b.c.d`), and one that the standard
 * NAT64 prefix makes of it, is that address and nothing else. An address of a tunnel or translator stands for itself and for the IPv4 address
 * in it, as whoever sends to the former may reach the latter. Prefixes that a network has chosen by itself for NAT64 or 6rd can't be told from others.
 */
export function readAddress(text: string): readonly Address[] {
  const bare = withoutZone(text.replace(/^\[|\]$/g, ''));
  // In the URL standard's own notation: ipaddr.js takes ::10.0.0.1 for ::ffff:10.0.0.1, which it isn't.
  const address = ipaddr.process(isIPv6(bare) ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare);
  if (address.kind() === 'ipv4') return [address];
  const bytes = address.toByteArray();
  if (isIn(address, '64:ff9b::/96')) return [ipv4(bytes.slice(12))];
  return [address, ...embedded(address as ipaddr.IPv6, bytes)];
}

/** IPv4 addresses in an IPv6 address, by the formats that have a place for one. */
function embedded(address: ipaddr.IPv6, bytes: readonly number[]): ipaddr.IPv4[] {
  const at = (...places: readonly number[]) => ipv4(places.map((place) => bytes[place] ?? 0));
  const last = at(12, 13, 14, 15);
  // IPv4-compatible (RFC 4291, 2.5.5.1), in which :: and ::1 are none.
  if (isIn(address, '::/96')) return isIn(address, '::/127') ? [] : [last];
  // IPv4-translated (RFC 2765).
  if (isIn(address, '::ffff:0:0:0/96')) return [last];
  // 6to4 (RFC 3056).
  if (isIn(address, '2002::/16')) return [at(2, 3, 4, 5)];
  // Teredo (RFC 4380): the server, and the client with all bits turned.
  if (isIn(address, '2001::/32')) return [at(4, 5, 6, 7), ipv4(bytes.slice(12).map((byte) => byte ^ 0xff))];
  // NAT64 for a network's own use (RFC 8215), with prefixes of 48, 56, 64 and 96 bits (RFC 6052, 2.2).
  if (isIn(address, '64:ff9b:1::/48')) return [at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), last];
  // ISATAP (RFC 5214), behind any prefix.
  const isIsatap = (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  return isIsatap ? [last] : [];
}

/** Undefined for a public address. */
export function specialRange(address: Address): AddressRange | undefined {
  if (METADATA.some((network) => matches(address, network))) return 'metadata';
  const range = address.range();
  if (range !== 'unicast') return range;
  return address.kind() === 'ipv6' && !matches(address, GLOBAL_UNICAST) ? 'reserved' : undefined;
}

export function matches(address: Address, [network, bits]: readonly [Address, number]): boolean {
  // The two kinds have one method of one shape, which their types don't know of each other.
  return network.kind() === address.kind() && (address as ipaddr.IPv4).match(network as ipaddr.IPv4, bits);
}

function isIn(address: Address, network: string): boolean {
  return matches(address, ipaddr.parseCIDR(network));
}

function ipv4(bytes: readonly number[]): ipaddr.IPv4 {
  return new ipaddr.IPv4([...bytes]);
}

/** `fe80::1%eth0` names the interface, too. */
function withoutZone(text: string): string {
  const at = text.indexOf('%');
  return at < 0 ? text : text.slice(0, at);
}
