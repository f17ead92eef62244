import type { RepoSettings } from '@kiln/contracts';
import type { Connection } from './connection.ts';

/**
 * Why Kiln doesn't fetch from a URL that came with a webhook; undefined if it does. Only the connection's own site, and the clone URLs that
 * its operator has set, receive requests and credentials.
 */
export function foreignSource(
  url: string,
  connection: Pick<Connection, 'name' | 'url'>,
  { cloneUrl }: Pick<RepoSettings, 'cloneUrl'>,
): string | undefined {
  const own = [connection.url, ...(cloneUrl === undefined ? [] : [cloneUrl])].map((one) => new URL(one).origin);
  if (own.includes(new URL(url).origin)) return undefined;
  return `the source ${url} isn’t at ${connection.url}, where connection ${connection.name} clones from`;
}
