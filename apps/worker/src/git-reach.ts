import { isIP } from 'node:net';
import { trimEnd } from '@kiln/domain';
import { AddressRefused, type OutgoingGuard } from '@kiln/runtime';
import { SourceUnresolved } from './source-unresolved.ts';

export type GitGuard = Pick<OutgoingGuard, 'check' | 'fetch'>;

/** Settings of git by their names. */
export type GitConfig = Readonly<Record<string, string>>;

const MAX_REDIRECTS = 5;
/** What git asks a server first; it takes the address that answers for the repository's. */
const FIRST_REQUEST = '/info/refs?service=git-upload-pack';

/**
 * Looks the host of a clone URL up now, and answers what makes git go to the addresses that were found and nowhere else: neither where
 * the name leads a moment later, nor where the server sends it. For git:// there is no such setting. A name that can't be looked up is left to
 * git, which says so.
 * @throws SourceUnresolved `git_host_refused`
 */
export async function reachGitHost(url: string, guard: GitGuard): Promise<GitConfig> {
  const { hostname, protocol, port } = new URL(url);
  const found = await guard.check(hostname).catch((error: unknown) => {
    if (error instanceof AddressRefused) throw hostRefused(url, error);
    return [];
  });
  const fixed = { 'http.followRedirects': 'false' };
  if (found.length === 0 || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || protocol === 'git:') return fixed;
  const addresses = found.map((address) => (address.includes(':') ? `[${address}]` : address)).join(',');
  const at = port || (protocol === 'https:' ? '443' : '80');
  return { ...fixed, 'http.curloptResolve': `${hostname}:${at}:${addresses}` };
}

/**
 * Where the server at a clone URL sends git, as for a repository that was renamed; undefined where nowhere else, or it can't be told.
 * @throws SourceUnresolved `git_host_refused`
 */
export async function followGitRedirect(
  url: string,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string | undefined> {
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
    // Never from https to http: what is fetched would be anybody's.
    if (!next || !/^https?:$/.test(next.protocol) || (at.startsWith('https:') && next.protocol !== 'https:'))
      return undefined;
    at = next.href;
  }
  return undefined;
}

function hostRefused(url: string, { message }: AddressRefused): SourceUnresolved {
  return new SourceUnresolved({ code: 'git_host_refused', message: `${url} is not fetched from: ${message}` });
}
