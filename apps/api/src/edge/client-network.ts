import ipaddr from 'ipaddr.js';

const NETWORK_BITS = 64;

/**
 * By what a client is counted: its IPv4 address, or the /64 of its IPv6 address, which is what one client gets to choose from. An IPv4
 * address that is written as an IPv6 one is that IPv4 address. What is no address is counted as it is written.
 */
export function clientNetwork(ip: string): string {
  const address = parse(ip);
  if (address?.kind() !== 'ipv6') return address?.toString() ?? ip.slice(0, 64);
  const bytes = address.toByteArray().fill(0, NETWORK_BITS / 8);
  return `${new ipaddr.IPv6(bytes).toString()}/${NETWORK_BITS}`;
}

/** Whether the client is on this machine: what watches over Kiln, or an operator. */
export function isLoopback(ip: string): boolean {
  return parse(ip)?.range() === 'loopback';
}

function parse(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const [address = ''] = ip.split('%', 1);
  return ipaddr.isValid(address) ? ipaddr.process(address) : undefined;
}
