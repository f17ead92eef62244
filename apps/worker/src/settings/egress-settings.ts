import { isIPv4, isIPv6 } from 'node:net';
import type { Egress } from '@kiln/buildkit';
import { METADATA_NETWORKS } from '@kiln/runtime';
import { z } from 'zod';

const EXPECTED =
  'open; guarded, with IPv4 addresses and networks that may be reached besides public ones (guarded,10.1.0.0/16); or listed, ' +
  'with the servers that BuildKit itself may fetch from (listed,docker.io,*.corp.example,10.1.0.7:5000)';
const SERVER = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62}){0,20}(?::[0-9]{1,5})?$/;

/** `KILN_BUILD_EGRESS`: what builds may reach. Undefined: everything that the host can reach. */
export const buildEgress = z
  .string()
  .default('open')
  .transform((text, ctx): Egress | undefined => {
    const [mode, ...named] = text
      .split(',')
      .map((part) => part.trim().toLowerCase())
      .filter((part) => part !== '');
    const refuse = (why: string) => {
      ctx.addIssue({ code: 'custom', message: `${EXPECTED}; ${why}`, input: text });
      return z.NEVER;
    };
    switch (mode) {
      case undefined:
      case 'open':
        return named.length === 0 ? undefined : refuse('open allows everything and takes no addresses');
      case 'guarded': {
        const wrong = named.find((one) => !isNetwork(one));
        if (wrong !== undefined) return refuse(`${JSON.stringify(wrong)} ${whyNotNetwork(wrong)}`);
        return { mode, allowed: named, metadata: METADATA_NETWORKS };
      }
      case 'listed': {
        const wrong = named.find((one) => !SERVER.test(one));
        if (wrong !== undefined) return refuse(`${JSON.stringify(wrong)} is neither a host name nor an IPv4 address`);
        return { mode, hosts: named };
      }
      default:
        return refuse(`${JSON.stringify(mode)} is not one of open, guarded, listed`);
    }
  });

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  if (!isIPv4(address) || more.length > 0) return false;
  return bits === undefined || (/^[0-9]{1,2}$/.test(bits) && Number(bits) <= 32);
}

function whyNotNetwork(text: string): string {
  if (isIPv6(text.split('/')[0] ?? '')) return 'is an IPv6 address, and guarded builders have only IPv4';
  return /^[0-9./]+$/.test(text)
    ? 'is not an IPv4 address or network'
    : 'is a host name; guarded filters packets by address, so give its addresses';
}
