import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { type Address, matches } from './address-range.ts';

/** Hosts that may be reached even if their addresses aren't public. */
export interface AllowedHosts {
  /** Names in lower case. `*.example` allows all names below it, `*` every host. */
  readonly names: readonly string[];
  readonly networks: readonly Network[];
}

type Network = readonly [address: Address, bits: number];

/** Words for common networks. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
};
const NAME = /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)$/;
const EXPECTED =
  'names (git.corp.example, *.corp.example), addresses, networks (10.1.0.0/16) or the words private and loopback, separated by commas; * for every host';

/** `KILN_ALLOWED_HOSTS`. An allowed name may resolve to any address; an allowed address may be reached by any name. */
export const allowedHosts = z
  .string()
  .default('')
  .transform((text, ctx): AllowedHosts => {
    const parts = text
      .split(',')
      .map((part) => part.trim().toLowerCase())
      .filter((part) => part !== '');
    const networks = parts.flatMap((part) => (Object.hasOwn(WORDS, part) ? (WORDS[part] ?? []) : [part]));
    const names = networks.filter((part) => !isNetwork(part));
    const wrong = names.find((name) => !NAME.test(name) || /^[\d.]+$/.test(name));
    if (wrong === undefined) return { names, networks: networks.filter(isNetwork).map(networkOf) };
    ctx.addIssue({ code: 'custom', message: `${EXPECTED}; ${JSON.stringify(wrong)} is none of these`, input: text });
    return z.NEVER;
  });

export const NO_ALLOWED_HOSTS: AllowedHosts = { names: [], networks: [] };

function isNetwork(text: string): boolean {
  const [address = ''] = text.split('/');
  return isIP(address) !== 0 && (text.includes('/') ? ipaddr.isValidCIDR(text) : true);
}

/** Parses a network; `::ffff:10.0.0.0/104` is the same as `10.0.0.0/8`. */
function networkOf(text: string): Network {
  const address = ipaddr.parse(text.split('/')[0] ?? '');
  const all = address.kind() === 'ipv4' ? 32 : 128;
  const bits = text.includes('/') ? ipaddr.parseCIDR(text)[1] : all;
  const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= MAPPED_BITS;
  return isMapped ? [address.toIPv4Address(), bits - MAPPED_BITS] : [address, bits];
}

const MAPPED_BITS = 96;

export function allowsName({ names }: AllowedHosts, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return names.some(
    (allowed) => allowed === '*' || allowed === name || (allowed.startsWith('*.') && name.endsWith(allowed.slice(1))),
  );
}

/** @param exactly whether the address itself must be allowed, not only its network */
export function allowsAddress({ networks }: AllowedHosts, address: Address, exactly = false): boolean {
  const all = address.kind() === 'ipv4' ? 32 : 128;
  return networks.some((network) => (!exactly || network[1] === all) && matches(address, network));
}
