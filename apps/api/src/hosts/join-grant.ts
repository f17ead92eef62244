import { networkInterfaces } from 'node:os';
import type { JoinGrant } from '@kiln/contracts';
import type { JoinConfig } from '../config.ts';
import { ApiProblem } from '../http/api-problem.ts';

/** Both ends of the connection of a worker that joins. */
export interface Ends {
  /** The address at which the worker reached this machine. */
  readonly localAddress: string;
  readonly remoteAddress: string;
}

const LOOPBACK = /^(?:127\.|::1$|localhost$)/;
const ANY_ADDRESS = /^(?:0\.0\.0\.0|::)$/;

/**
 * Builds the answer for a worker that joins.
 * @throws ApiProblem `join_impossible` if the worker can't reach Redis from its address, with what to do about it
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
  // Anything but a plain URL (Sentinel) comes from an operator, who knows that workers reach it.
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
    `this Kiln’s Redis ${why}, which a worker at ${remote} cannot reach. Start \`kiln up\` with --listen-workers ADDRESS:PORT; for a separate API, set KILN_WORKER_REDIS_URL to an address that workers can reach`,
  );
}

/** Strips the brackets of an IPv6 URL, and the prefix of an IPv4-mapped IPv6 address. */
function plain(address: string): string {
  return address.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.)/, '');
}

function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === address));
}
