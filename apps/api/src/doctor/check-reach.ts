import type { Check } from '@kiln/domain';
import pMap from 'p-map';
import type { ApiDeps } from '../ports.ts';

export interface ReachDeps extends Pick<ApiDeps, 'connections' | 'secrets'> {
  readonly fetch: typeof fetch;
}

const TIMEOUT_MS = 5_000;
const CONCURRENCY = 8;
/** How many addresses are tried at most, so that one request can't cause any number. */
const MAX_ADDRESSES = 50;
const SERVER_ERROR = 500;

type Address = Pick<Check, 'area' | 'subject'> & { readonly url: string };

/** Checks that the API reaches the forges of connections, and the registries for which logins are stored. */
export async function checkReach({ connections, secrets, fetch }: ReachDeps): Promise<Check[]> {
  const forges = (await connections.list()).map(
    ({ name, apiUrl }): Address => ({ area: 'forge', subject: name, url: apiUrl }),
  );
  const hosts = new Set((await secrets.list()).flatMap(({ kind, name }) => (kind === 'registry' ? [name] : [])));
  const registries = [...hosts].map(
    (host): Address => ({ area: 'registry', subject: host, url: `https://${apiHost(host)}/v2/` }),
  );
  return pMap([...forges, ...registries].slice(0, MAX_ADDRESSES), (one) => reach(one, fetch), {
    concurrency: CONCURRENCY,
  });
}

async function reach({ area, subject, url }: Address, fetch: ReachDeps['fetch']): Promise<Check> {
  try {
    const { status } = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // Without a login most answer with 401, which is an answer.
    return status < SERVER_ERROR
      ? { area, subject, status: 'ok', found: 'the API reaches it' }
      : { area, subject, status: 'warning', found: `answers with ${status}`, advice: 'ask who operates it' };
  } catch (error) {
    return {
      ...{ area, subject, status: 'problem', found: `the API can’t reach it: ${reasonOf(error)}` },
      advice: 'check name, firewall and certificate; KILN_ALLOWED_HOSTS allows private addresses',
    };
  }
}

/** Docker Hub's registry has another name than its images. */
function apiHost(host: string): string {
  return host === 'docker.io' ? 'registry-1.docker.io' : host;
}

/** `fetch` hides what happened in a cause. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
