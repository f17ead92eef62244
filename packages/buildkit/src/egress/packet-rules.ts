import type { Egress } from './egress.ts';

export type Guarded = Extract<Egress, { mode: 'guarded' }>;

/** Names of the builders' network interface and of Kiln's chains. */
export interface GateNames {
  /** The bridge's interface. */
  readonly bridge: string;
  /** Chain for packets that are forwarded from the bridge. */
  readonly chain: string;
  /** Chain for packets from the bridge to the machine itself. */
  readonly ownChain: string;
}

/** Networks that aren't routed on the internet (IANA's registry of special-purpose addresses). */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...[
    '192.0.2.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
];

const REFUSE = 'REJECT --reject-with icmp-admin-prohibited';
const NAMES = ['-p udp --dport 53 -j RETURN', '-p tcp --dport 53 -j RETURN'];

/**
 * Returns the rules for IPv4, for `iptables-restore --noflush`, which fills Kiln's own chains in one step. The machine's own addresses, even public
 * ones, and those of metadata services are refused unless each is allowed as a single address. DNS is allowed to any resolver.
 */
export function packetRules({ allowed, metadata }: Guarded, { chain, ownChain }: GateNames): string {
  const exact = allowed.filter(isSingle).flatMap(letThrough);
  const networks = allowed.filter((network) => !isSingle(network)).flatMap(letThrough);
  const refuse = (network: string) => `-d ${network} -j ${REFUSE}`;
  const forwarded = [...NAMES, ...exact, ...metadata.filter(isIpv4).map(refuse), ...networks, ...SPECIAL.map(refuse)];
  const own = [...NAMES, ...exact, `-j ${REFUSE}`];
  return table([
    `:${chain} - [0:0]`,
    `:${ownChain} - [0:0]`,
    ...forwarded.map((rule) => `-A ${chain} ${rule}`),
    ...own.map((rule) => `-A ${ownChain} ${rule}`),
  ]);
}

/** Returns the rules for IPv6, which drop everything: the network has no IPv6, so such packets can only be forged. */
export function noIpv6({ chain, ownChain }: GateNames): string {
  return table([`:${chain} - [0:0]`, `:${ownChain} - [0:0]`, `-A ${chain} -j DROP`, `-A ${ownChain} -j DROP`]);
}

/** Lets packets through to a network, also if the engine forwards them to a container that has published a port there. */
function letThrough(network: string): string[] {
  return [`-d ${network} -j RETURN`, `-m conntrack --ctorigdst ${network} -j RETURN`];
}

function isSingle(network: string): boolean {
  return !network.includes('/') || network.endsWith('/32');
}

function isIpv4(network: string): boolean {
  return !network.includes(':');
}

function table(lines: readonly string[]): string {
  return ['*filter', ...lines, 'COMMIT', ''].join('\n');
}
