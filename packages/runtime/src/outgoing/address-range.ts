import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The range of an address that isn't public. */
export type AddressRange = string;
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Addresses at which clouds serve machines their credentials and settings, and their neighbours. They are in different ranges, two of
 * them public, and are only reachable if they are allowed by their exact address.
 */
export const METADATA_NETWORKS: readonly string[] = [
  // Most clouds; AWS also serves DNS, time and containers' credentials next to it.
  ...['169.254.169.0/24', '169.254.170.0/24', '169.254.0.23/32', '169.254.42.42/32'],
  // Alibaba; Azure's host; Oracle.
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'],
  // AWS; Google; Oracle; Scaleway; OpenStack.
  ...['fd00:ec2::/112', 'fd20:ce::/112', 'fd00:c1::a9fe:a9fe/128', 'fd00:42::42/128', 'fe80::a9fe:a9fe/128'],
];
const METADATA = METADATA_NETWORKS.map((text) => ipaddr.parseCIDR(text));

/** Every IPv6 address that is routed on the internet. All others are special, even those without a named range. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Returns the addresses that a text stands for; all of them must be allowed. An IPv4-mapped address (`::ffff:a.b.c.d`), or one with the
 * standard NAT64 prefix, stands for its IPv4 address. An address of a tunnel or translator stands for itself and for the embedded IPv4
 * address, because packets to the former may reach the latter. A network's own prefixes for NAT64 or 6rd can't be recognised.
 */
export function readAddress(text: string): readonly Address[] {
  const bare = withoutZone(text.replace(/^\[|\]$/g, ''));
  // Normalised by URL, because ipaddr.js mistakes ::10.0.0.1 for ::ffff:10.0.0.1.
  const address = ipaddr.process(isIPv6(bare) ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare);
  if (address.kind() === 'ipv4') return [address];
  const bytes = address.toByteArray();
  if (isIn(address, '64:ff9b::/96')) return [ipv4(bytes.slice(12))];
  return [address, ...embedded(address as ipaddr.IPv6, bytes)];
}

/** The IPv4 addresses embedded in an IPv6 address, by every format that embeds one. */
function embedded(address: ipaddr.IPv6, bytes: readonly number[]): ipaddr.IPv4[] {
  const at = (...places: readonly number[]) => ipv4(places.map((place) => bytes[place] ?? 0));
  const last = at(12, 13, 14, 15);
  // IPv4-compatible (RFC 4291, 2.5.5.1), except :: and ::1.
  if (isIn(address, '::/96')) return isIn(address, '::/127') ? [] : [last];
  // IPv4-translated (RFC 2765).
  if (isIn(address, '::ffff:0:0:0/96')) return [last];
  // 6to4 (RFC 3056).
  if (isIn(address, '2002::/16')) return [at(2, 3, 4, 5)];
  // Teredo (RFC 4380): the server, and the client with inverted bits.
  if (isIn(address, '2001::/32')) return [at(4, 5, 6, 7), ipv4(bytes.slice(12).map((byte) => byte ^ 0xff))];
  // NAT64 for a network's own use (RFC 8215), with prefixes of 48, 56, 64 and 96 bits (RFC 6052, 2.2).
  if (isIn(address, '64:ff9b:1::/48')) return [at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), last];
  // ISATAP (RFC 5214), behind any prefix.
  const isIsatap = (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  return isIsatap ? [last] : [];
}

/** The special range of an address; undefined if it is public. */
export function specialRange(address: Address): AddressRange | undefined {
  if (METADATA.some((network) => matches(address, network))) return 'metadata';
  const range = address.range();
  if (range !== 'unicast') return range;
  return address.kind() === 'ipv6' && !matches(address, GLOBAL_UNICAST) ? 'reserved' : undefined;
}

export function matches(address: Address, [network, bits]: readonly [Address, number]): boolean {
  // Both kinds have this method, but their types don't share it.
  return network.kind() === address.kind() && (address as ipaddr.IPv4).match(network as ipaddr.IPv4, bits);
}

function isIn(address: Address, network: string): boolean {
  return matches(address, ipaddr.parseCIDR(network));
}

function ipv4(bytes: readonly number[]): ipaddr.IPv4 {
  return new ipaddr.IPv4([...bytes]);
}

/** Removes the interface from an address such as `fe80::1%eth0`. */
function withoutZone(text: string): string {
  const at = text.indexOf('%');
  return at < 0 ? text : text.slice(0, at);
}
