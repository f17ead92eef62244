import { KilnBadAnswer, KilnClient, KilnProblem, KilnUnreachable } from '@kiln/client';
import type { JoinGrant } from '@kiln/contracts';
import { RedisUnreachable, reachRedis, redisOptions } from '@kiln/state';

/** A worker can't join; the message says why, and what to do about it. */
export class JoinFailed extends Error {
  readonly code = 'join_failed';
}

export interface JoinSettings {
  /** Of the API. */
  readonly url: string;
  readonly token: string;
  readonly hostName: string;
  /** Where this host finds Redis, if not where the API says. */
  readonly redisUrl?: string | undefined;
}

const ANSWER_TIMEOUT_MS = 30_000;
const REDIS_TIMEOUT_MS = 10_000;
const LOOPBACK = /^(?:127\.|\[?::1\]?$|localhost$)/;

/** Asks the API for what a worker needs, and makes sure that it is of use here. @throws JoinFailed */
export async function joinPool({ url, token, hostName, redisUrl }: JoinSettings): Promise<JoinGrant> {
  const grant = await ask(url, token, hostName);
  const found = redisUrl ?? grant.redisUrl;
  if (redisUrl === undefined && !isLoopback(url) && isLoopback(found)) {
    throw new JoinFailed(
      `the API at ${url} says that its Redis is at ${hostOf(found)}, which on this machine is another one. Set KILN_WORKER_REDIS_URL of the API, or KILN_REDIS_URL of this worker, to an address that this machine reaches`,
    );
  }
  try {
    await reachRedis(found, REDIS_TIMEOUT_MS);
  } catch (error) {
    if (!(error instanceof RedisUnreachable)) throw error;
    throw new JoinFailed(
      `the API at ${url} let this worker in, but the Redis that it named can’t be used from here (${error.message}). Open that address for this machine, or set KILN_WORKER_REDIS_URL of the API (or KILN_REDIS_URL of this worker) to one that it reaches`,
    );
  }
  return { ...grant, redisUrl: found };
}

async function ask(url: string, token: string, hostName: string): Promise<JoinGrant> {
  try {
    return await new KilnClient({ url, token }).join(hostName, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  } catch (error) {
    throw new JoinFailed(explained(error, url), { cause: error });
  }
}

function explained(error: unknown, url: string): string {
  if (error instanceof KilnUnreachable) {
    return `${error.message}. Is that the API’s address, does the API run, and does it listen on an address that this machine reaches (KILN_HOST, --host)?`;
  }
  if (error instanceof KilnBadAnswer)
    return `what answers at ${url} is no Kiln API of about this version: ${error.message}`;
  if (error instanceof KilnProblem) {
    const { code, status, detail } = error.problem;
    if (code === 'unauthorized') return `the API at ${url} refuses the join token: ${detail}`;
    if (code === 'forbidden') return `the API at ${url} refuses: ${detail}`;
    if (status === 404 || status === 405)
      return `what answers at ${url} knows of no workers: is it Kiln’s API, with the right path?`;
    return `the API at ${url} refuses: ${detail} [${code}]`;
  }
  if (error instanceof Error && error.name === 'TimeoutError')
    return `the API at ${url} doesn’t answer within ${ANSWER_TIMEOUT_MS / 1000} s`;
  return `${url}: ${error instanceof Error ? error.message : String(error)}`;
}

function isLoopback(url: string): boolean {
  return LOOPBACK.test(hostOf(url));
}

/** Of an http or Redis URL; empty for a socket. */
function hostOf(url: string): string {
  if (url.startsWith('http')) return new URL(url).hostname;
  return redisOptions(url).host ?? '';
}
