import { isIP } from 'node:net';
import { trimEnd } from '@kiln/domain';
import { AddressRefused, type OutgoingGuard } from '@kiln/runtime';
import type { GitSettings } from './git-environment.ts';
import { GitFailed } from './git-failed.ts';

export type GitGuard = Pick<OutgoingGuard, 'check' | 'fetch'>;

/** Settings with which git reaches a repository, and no other server. */
export interface Reach extends GitSettings {
  /** The URL to give to git. */
  readonly url: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };
const MAX_REDIRECTS = 5;
/** The first request of git; a redirect of it moves the whole repository. */
const FIRST_REQUEST = '/info/refs?service=git-upload-pack';

/**
 * Resolves the host of a clone URL, and returns settings that restrict git to these addresses: neither a later change of the name's address nor a
 * redirect leads it elsewhere. For https and http libcurl gets the addresses; for `git://` the first of them replaces the host in the URL, and the
 * server still gets the name. A name that can't be resolved here is left to git only if there is a proxy to resolve it.
 * @throws GitFailed `host_refused`, `unreachable`
 */
export async function reach(url: string, guard: Pick<GitGuard, 'check'>): Promise<Reach> {
  const { hostname, protocol, port, host } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const addresses = await lookUp(url, guard);
  const [first] = addresses;
  if (first === undefined || isIP(bare(hostname)) !== 0) return { url, protocol: scheme, config: {} };
  if (protocol === 'git:') {
    const pinned = url.replace(`//${host}`, `//${bracketed(first)}${port && `:${port}`}`);
    return { url: pinned, protocol: scheme, config: {}, variables: { GIT_OVERRIDE_VIRTUAL_HOST: host } };
  }
  const at = port || DEFAULT_PORTS[protocol];
  const config = { 'http.curloptResolve': `${hostname}:${at}:${addresses.map(bracketed).join(',')}` };
  return { url, protocol: scheme, config };
}

/** Returns the host's checked addresses; none if only the operator's proxy can resolve it. */
async function lookUp(url: string, guard: Pick<GitGuard, 'check'>): Promise<string[]> {
  const { hostname, protocol } = new URL(url);
  let why = '';
  try {
    const found = await guard.check(hostname);
    if (found.length > 0) return found;
  } catch (error) {
    if (error instanceof AddressRefused) throw hostRefused(url, error);
    if (error instanceof Error && 'code' in error) why = ` (${error.code})`;
  }
  if (hasProxy(protocol)) return [];
  throw new GitFailed('unreachable', `${url} can’t be read: ${hostname} can’t be resolved${why}`, true);
}

/** Whether libcurl finds a proxy for the protocol. It may still exempt hosts. */
function hasProxy(protocol: string): boolean {
  const { env } = process;
  const all = env.all_proxy ?? env.ALL_PROXY;
  if (protocol === 'https:') return Boolean(env.https_proxy ?? env.HTTPS_PROXY ?? all);
  return protocol === 'http:' && Boolean(env.http_proxy ?? all);
}

/**
 * Returns the URL to which the server redirects git, as for a renamed repository; undefined if there is no such redirect.
 * @throws GitFailed `host_refused`
 */
export async function followRedirect(url: string, guard: GitGuard, signal: AbortSignal): Promise<string | undefined> {
  let at = `${trimEnd(url, '/')}${FIRST_REQUEST}`;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const answer = await guard.fetch(at, { redirect: 'manual', signal }).catch((error: unknown) => {
      if (error instanceof Error && error.cause instanceof AddressRefused) throw hostRefused(url, error.cause);
      return undefined;
    });
    await answer?.body?.cancel();
    const location = answer?.headers.get('location');
    if (answer === undefined || answer.status < 300 || answer.status > 399 || !location) {
      return redirects > 0 && at.endsWith(FIRST_REQUEST) ? at.slice(0, -FIRST_REQUEST.length) : undefined;
    }
    const next = URL.parse(location, at);
    // Never from https to http, where anybody could change what is fetched.
    if (!next || !/^https?:$/.test(next.protocol) || (at.startsWith('https:') && next.protocol !== 'https:'))
      return undefined;
    at = next.href;
  }
  return undefined;
}

function hostRefused(url: string, { message }: AddressRefused): GitFailed {
  return new GitFailed('host_refused', `${url} can’t be fetched: ${message}`, false);
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
