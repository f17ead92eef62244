import { networkInterfaces } from 'node:os';
import type { JoinGrant } from '@kiln/contracts';
import type { JoinConfig } from '../config.ts';
import { ApiProblem } from '../http/api-problem.ts';

/** Both ends of the connection over which a worker asks. */
export interface Ends {
  /** This machine's address, by which the worker reached it. */
  readonly localAddress: string;
  readonly remoteAddress: string;
}

const LOOPBACK = /^(?:127\.|::1$|localhost$)/;
const ANY_ADDRESS = /^(?:0\.0\.0\.0|::)$/;

/**
 * What a worker is told that asks to join.
 * @throws ApiProblem `join_impossible` where it can't get at Redis from where it is, with what to do about that
 */
export function joinGrant({ redisUrl, namespace, secretKey, minReplicas = 0 }: JoinConfig, ends: Ends): JoinGrant {
  return {
    redisUrl: reachableUrl(redisUrl, plain(ends.localAddress), plain(ends.remoteAddress)),
    namespace,
    secretKey,
    ...(minReplicas > 0 && { minReplicas }),
  };
}

function reachableUrl(redisUrl: string, local: string, remote: string): string {
  const isHere = LOOPBACK.test(remote) || isOwnAddress(remote);
  if (redisUrl.startsWith('unix://')) {
    if (isHere) return redisUrl;
    throw impossible(remote, 'listens on a unix socket only');
  }
  // What isn't a plain URL (Sentinel) was given by an operator who knows where it is.
  if (!URL.canParse(redisUrl)) return redisUrl;
  const url = new URL(redisUrl);
  const host = plain(url.hostname);
  if (ANY_ADDRESS.test(host)) {
    url.hostname = local.includes(':') ? `[${local}]` : local;
    return url.href;
  }
  if (LOOPBACK.test(host) && !isHere) throw impossible(remote, `listens on ${host} only`);
  return redisUrl;
}

function impossible(remote: string, why: string): ApiProblem {
  return new ApiProblem(
    'join_impossible',
    `this Kiln’s Redis ${why}, which a worker at ${remote} can’t reach. Start \`kiln up\` with --listen-workers ADDRESS:PORT, or, where the API runs alone, set its KILN_WORKER_REDIS_URL to an address that workers reach`,
  );
}

/** Without an IPv6 URL's brackets, and without the prefix of an IPv4 address that came over an IPv6 socket. */
function plain(address: string): string {
  return address.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.)/, '');
}

function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === address));
}
