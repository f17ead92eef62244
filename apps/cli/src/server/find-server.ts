import { join } from 'node:path';
import type { TokenSource } from '@kiln/client';
import type { FlagTable, FlagValues } from '../framework/flags.ts';
import { UsageError } from '../io/errors.ts';
import { ciIdentity } from './ci-identity.ts';
import { type Context, contextNamed, contextsFile, LOCAL_CONTEXT, readContexts } from './contexts.ts';
import { dataDirectory, isSameServer, localPools } from './local-pools.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Flags of every command that talks to the API. */
export const CONNECTION_FLAGS = {
  url: {
    kind: 'text',
    value: 'URL',
    help: "Address of Kiln (default: $KILN_URL, or that of the context in use, or of this user's kiln up)",
  },
  token: {
    kind: 'text',
    value: 'TOKEN',
    help: 'API token (default: $KILN_TOKEN, or that of kiln login); others can read a command line, so prefer these',
  },
  context: {
    kind: 'text',
    value: 'NAME',
    help: 'Context to use, by its name in kiln context ls (default: $KILN_CONTEXT, or that of kiln context use)',
  },
} as const satisfies FlagTable;

/** The section of a help page with the flags for the connection. */
export const CONNECTION_SECTION = { title: 'Connection', flags: CONNECTION_FLAGS, isShared: true } as const;

type ConnectionFlags = FlagValues<typeof CONNECTION_FLAGS>;

export interface Server {
  readonly url: string;
  readonly token: TokenSource | undefined;
  /** Where the address comes from, for messages. */
  readonly from: string;
}

/** No server is configured, and none runs on this machine. */
export class NoServer extends UsageError {}

/**
 * Finds the server to talk to. Flags take precedence over the environment, that over the context in use, and that over the pool that `kiln up`
 * runs on this machine. A token that is given takes precedence over a CI identity, and that over a token that is stored: those of contexts and of
 * this machine's pool, which only their own servers get to see.
 * @throws NoServer; UsageError if several pools run on this machine, or a login has expired
 */
export async function findServer(flags: ConnectionFlags, env: Env): Promise<Server> {
  const { url, context } = flags;
  if (url && context) throw new UsageError('--url and --context cannot be combined');
  if (url) return named(url, '--url', flags, env);
  if (context) return inContext(context, '--context', flags, env);
  if (env.KILN_URL) return named(env.KILN_URL, 'KILN_URL', flags, env);
  if (env.KILN_CONTEXT) return inContext(env.KILN_CONTEXT, 'KILN_CONTEXT', flags, env);
  // The directory of one pool names that pool.
  const current = env.KILN_DATA_DIR ? undefined : (await readContexts(env)).current;
  return current === undefined ? localServer(flags, env) : inContext(current, contextsFile(env), flags, env);
}

/** A server that is given by its address. */
async function named(url: string, from: string, flags: ConnectionFlags, env: Env): Promise<Server> {
  const token = givenToken(flags, env) ?? ciIdentity(env, url) ?? (await storedToken(url, env));
  return { url, token, from };
}

async function inContext(name: string, from: string, flags: ConnectionFlags, env: Env): Promise<Server> {
  if (name === LOCAL_CONTEXT) return localServer(flags, env);
  const context = contextNamed(await readContexts(env), name, from);
  // KILN_TOKEN beside KILN_URL is a token of that server, which the flag --context overrides.
  const ofOther = from === '--context' && env.KILN_URL && !isSameServer(env.KILN_URL, context.url);
  const given = flags.token ?? (ofOther ? undefined : givenToken(flags, env));
  const token = given ?? ciIdentity(env, context.url) ?? usableToken(name, context);
  return { url: context.url, token, from: `context ${name}` };
}

/** The pool that `kiln up` runs on this machine. */
async function localServer(flags: ConnectionFlags, env: Env): Promise<Server> {
  const [pool, ...others] = await localPools(env);
  const path = join(dataDirectory(env), 'client.json');
  if (!pool) {
    throw new NoServer(
      `no server configured: log in with \`kiln login URL\`, start one on this machine with \`kiln up\`, or set KILN_URL and KILN_TOKEN (or --url and --token); ${path} doesn't exist`,
    );
  }
  // The pool of the default directory needs no name; without it there may be several, none of which is more likely to be meant.
  if (others.length > 0 && pool.file !== path) {
    const list = [pool, ...others].map(({ url, dataDir }) => `  KILN_URL=${url}  (${dataDir})`).join('\n');
    throw new UsageError(`several pools run on this machine; choose one with KILN_URL or --url:\n${list}`);
  }
  return { url: pool.url, token: givenToken(flags, env) ?? ciIdentity(env, pool.url) ?? pool.token, from: pool.file };
}

function givenToken(flags: ConnectionFlags, env: Env): string | undefined {
  return flags.token ?? (env.KILN_TOKEN || undefined);
}

/** @throws UsageError if the login has expired */
function usableToken(name: string, { url, token, expiresAt }: Context): string | undefined {
  if (expiresAt === undefined || expiresAt > Date.now()) return token;
  throw new UsageError(`the login to ${name} has expired: log in again with \`kiln login ${url}\``);
}

/** The token that is stored for the server at `url`. What can't be read has none for a server that the caller has named. */
async function storedToken(url: string, env: Env): Promise<string | undefined> {
  const { contexts } = await readContexts(env).catch(() => ({ contexts: {} as Readonly<Record<string, Context>> }));
  const context = Object.values(contexts).find((one) => isSameServer(one.url, url) && one.token !== undefined);
  if (context) return context.token;
  const pools = await localPools(env).catch(() => []);
  return pools.find((pool) => isSameServer(pool.url, url))?.token;
}
