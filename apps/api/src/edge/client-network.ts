import ipaddr from 'ipaddr.js';

const NETWORK_BITS = 64;

/**
 * The network that a client is counted by: its IPv4 address, or the /64 of its IPv6 address, since one client usually has a whole /64.
 * An IPv4-mapped IPv6 address counts as its IPv4 address; text that isn't an address counts as it is.
 */
export function clientNetwork(ip: string): string {
  const address = parse(ip);
  if (address?.kind() !== 'ipv6') return address?.toString() ?? ip.slice(0, 64);
  const bytes = address.toByteArray().fill(0, NETWORK_BITS / 8);
  return `${new ipaddr.IPv6(bytes).toString()}/${NETWORK_BITS}`;
}

/** Whether the client is on this machine, such as a monitor or an operator. */
export function isLoopback(ip: string): boolean {
  return parse(ip)?.range() === 'loopback';
}

function parse(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const [address = ''] = ip.split('%', 1);
  return ipaddr.isValid(address) ? ipaddr.process(address) : undefined;
}
