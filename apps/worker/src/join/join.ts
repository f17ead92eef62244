import { KilnBadAnswer, KilnClient, KilnProblem, KilnUnreachable } from '@kiln/client';
import type { JoinGrant } from '@kiln/contracts';
import { RedisUnreachable, reachRedis, redisOptions } from '@kiln/state';

/** A worker can't join the pool; the message says why and what to do about it. */
export class JoinFailed extends Error {
  readonly code = 'join_failed';
}

export interface JoinOptions {
  /** The API's URL. */
  readonly url: string;
  readonly token: string;
  readonly hostName: string;
  /** Redis as this host reaches it. Default: as the API says. */
  readonly redisUrl?: string | undefined;
}

const ANSWER_TIMEOUT_MS = 30_000;
const REDIS_TIMEOUT_MS = 10_000;
const LOOPBACK = /^(?:127\.|\[?::1\]?$|localhost$)/;

/** Gets what a worker needs from the API, and checks that its Redis can be reached from here. @throws JoinFailed */
export async function joinPool({ url, token, hostName, redisUrl }: JoinOptions): Promise<JoinGrant> {
  const grant = await requestGrant(url, token, hostName);
  const found = redisUrl ?? grant.redisUrl;
  if (redisUrl === undefined && !isLoopback(url) && isLoopback(found)) {
    throw new JoinFailed(
      `the API at ${url} says that its Redis is at ${hostOf(found)}, which refers to this machine itself. Set KILN_WORKER_REDIS_URL of the API, or KILN_REDIS_URL of this worker, to an address that this machine can reach`,
    );
  }
  try {
    await reachRedis(found, REDIS_TIMEOUT_MS);
  } catch (error) {
    if (!(error instanceof RedisUnreachable)) throw error;
    throw new JoinFailed(
      `the API at ${url} accepted the join token, but its Redis can’t be used from here (${error.message}). Open that address for this machine, or set KILN_WORKER_REDIS_URL of the API (or KILN_REDIS_URL of this worker) to an address that this machine can reach`,
    );
  }
  return { ...grant, redisUrl: found };
}

async function requestGrant(url: string, token: string, hostName: string): Promise<JoinGrant> {
  try {
    return await new KilnClient({ url, token }).join(hostName, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  } catch (error) {
    throw new JoinFailed(explained(error, url), { cause: error });
  }
}

function explained(error: unknown, url: string): string {
  if (error instanceof KilnUnreachable) {
    return `${error.message}. Check that this is the API’s address, that the API is running, and that it listens on an address that this machine can reach (KILN_HOST, --host)`;
  }
  if (error instanceof KilnBadAnswer) return `${url} is not a Kiln API of a compatible version: ${error.message}`;
  if (error instanceof KilnProblem) {
    const { code, status, detail } = error.problem;
    if (code === 'unauthorized') return `the API at ${url} refused the join token: ${detail}`;
    if (code === 'forbidden') return `the API at ${url} refused to let this worker join: ${detail}`;
    if (status === 404 || status === 405)
      return `${url} has no route for workers to join; check that it is the URL of Kiln’s API, with the right path`;
    return `the API at ${url} refused to let this worker join: ${detail} [${code}]`;
  }
  if (error instanceof Error && error.name === 'TimeoutError')
    return `the API at ${url} did not answer within ${ANSWER_TIMEOUT_MS / 1000} s`;
  return `${url}: ${error instanceof Error ? error.message : String(error)}`;
}

function isLoopback(url: string): boolean {
  return LOOPBACK.test(hostOf(url));
}

/** Returns the host of an http or Redis URL; empty for a socket. */
function hostOf(url: string): string {
  if (url.startsWith('http')) return new URL(url).hostname;
  return redisOptions(url).host ?? '';
}
