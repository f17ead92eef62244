import { join } from 'node:path';
import type { TokenSource } from '@kiln/client';
import type { FlagTable, FlagValues } from '../framework/flags.ts';
import { UsageError } from '../io/errors.ts';
import { ciIdentity } from './ci-identity.ts';
import { dataDirectory, isSameServer, localPools } from './local-pools.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Flags of every command that talks to the API. */
export const CONNECTION_FLAGS = {
  url: {
    kind: 'text',
    value: 'URL',
    help: "Address of Kiln (default: $KILN_URL, or that of this user's kiln up)",
  },
  token: {
    kind: 'text',
    value: 'TOKEN',
    help: 'API token (default: $KILN_TOKEN); others can read a command line, so prefer the variable',
  },
} as const satisfies FlagTable;

/** The section of a help page with the flags for the connection. */
export const CONNECTION_SECTION = { title: 'Connection', flags: CONNECTION_FLAGS, isShared: true } as const;

export interface Server {
  readonly url: string;
  readonly token: TokenSource | undefined;
  /** Where the address comes from, for messages. */
  readonly from: string;
}

/** No server is configured, and none runs on this machine. */
export class NoServer extends UsageError {}

/**
 * Finds the server to talk to. Flags take precedence over the environment, and that over the pool that `kiln up` runs on this machine; a
 * token takes precedence over a CI identity, and that over the token of this machine's pool, which only that pool gets to see.
 * @throws NoServer; UsageError if several pools run on this machine
 */
export async function findServer(flags: FlagValues<typeof CONNECTION_FLAGS>, env: Env): Promise<Server> {
  const given = flags.token ?? (env.KILN_TOKEN || undefined);
  const tokenFor = async (url: string) => given ?? ciIdentity(env, url) ?? (await localToken(url, env));
  if (flags.url) return { url: flags.url, token: await tokenFor(flags.url), from: '--url' };
  if (env.KILN_URL) return { url: env.KILN_URL, token: await tokenFor(env.KILN_URL), from: 'KILN_URL' };
  const [pool, ...others] = await localPools(env);
  const path = join(dataDirectory(env), 'client.json');
  if (!pool) {
    throw new NoServer(
      `no server configured: start one on this machine with \`kiln up\`, or set KILN_URL and KILN_TOKEN (or --url and --token); ${path} doesn't exist`,
    );
  }
  // The pool of the default directory needs no name; without it there may be several, none of which is more likely to be meant.
  if (others.length > 0 && pool.file !== path) {
    const list = [pool, ...others].map(({ url, dataDir }) => `  KILN_URL=${url}  (${dataDir})`).join('\n');
    throw new UsageError(`several pools run on this machine; choose one with KILN_URL or --url:\n${list}`);
  }
  return { url: pool.url, token: given ?? ciIdentity(env, pool.url) ?? pool.token, from: pool.file };
}

/** The token of this machine's pool at `url`. A pool that can't be read has none for a server that the caller has named. */
async function localToken(url: string, env: Env): Promise<string | undefined> {
  const pools = await localPools(env).catch(() => []);
  return pools.find((pool) => isSameServer(pool.url, url))?.token;
}
