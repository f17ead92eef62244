import type { Egress } from './egress.ts';

export type Guarded = Extract<Egress, { mode: 'guarded' }>;

/** Where the builders' network begins and what Kiln's chains are called, on one engine. */
export interface GateNames {
  /** The bridge's interface. */
  readonly bridge: string;
  /** Of what is forwarded from it. */
  readonly chain: string;
  /** Of what is for the machine itself. */
  readonly ownChain: string;
}

/** What isn't routed on the internet (IANA's registry of special-purpose addresses). */
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
 * Rules for IPv4, as `iptables-restore --noflush` takes them; they fill Kiln's own chains in one step. The machine's own addresses are refused,
 * public ones as well, and those of metadata, unless named each by itself. Names are looked up wherever the engine has them looked up.
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

/** The network has no IPv6: what comes from it all the same is of somebody who makes frames by himself. */
export function noIpv6({ chain, ownChain }: GateNames): string {
  return table([`:${chain} - [0:0]`, `:${ownChain} - [0:0]`, `-A ${chain} -j DROP`, `-A ${ownChain} -j DROP`]);
}

/** Also where the engine sends it on to a container that has published a port at that address. */
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
