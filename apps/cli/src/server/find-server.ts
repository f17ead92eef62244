import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KilnClient, type TokenSource } from '@kiln/client';
import { UsageError } from '../io/errors.ts';
import type { FlagTable, FlagValues } from '../framework/flags.ts';
import { ciIdentity } from './ci-identity.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Flags of every command that speaks to the API. */
export const CONNECTION_FLAGS = {
  url: {
    kind: 'text',
    value: 'URL',
    help: 'Where Kiln is (default: $KILN_URL, else the Kiln that `kiln up` started here)',
  },
  token: {
    kind: 'text',
    value: 'TOKEN',
    help: 'API token (default: $KILN_TOKEN; rather use that: others can see a command line)',
  },
} as const satisfies FlagTable;

/** Where the address came from, for messages. */
export interface Server {
  readonly url: string;
  readonly token: TokenSource | undefined;
  readonly from: string;
}

/** Kiln's data directory: $KILN_DATA_DIR, else `kiln` below the user's XDG data directory. */
export function dataDirectory(env: Env): string {
  return env.KILN_DATA_DIR || join(env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share'), 'kiln');
}

/**
 * Flags before environment before `client.json`; a token before a CI's identity. A token from the file goes only with the URL from the
 * file: it isn't shown to another server. Throws `UsageError` where there is none.
 */
export async function findServer(flags: FlagValues<typeof CONNECTION_FLAGS>, env: Env): Promise<Server> {
  const given = flags.token ?? (env.KILN_TOKEN || undefined);
  const tokenFor = (url: string) => given ?? ciIdentity(env, url);
  if (flags.url) return { url: flags.url, token: tokenFor(flags.url), from: '--url' };
  if (env.KILN_URL) return { url: env.KILN_URL, token: tokenFor(env.KILN_URL), from: 'KILN_URL' };
  const path = join(dataDirectory(env), 'client.json');
  const file = await readClientFile(path);
  if (file) return { url: file.url, token: tokenFor(file.url) ?? file.token, from: path };
  throw new UsageError(
    `which Kiln? Start one here with \`kiln up\`, or set KILN_URL and KILN_TOKEN (or --url, --token) to reach one elsewhere. (${path} doesn't exist.)`,
  );
}

/** Throws `UsageError` where the address isn't one. */
export function connect({ url, token, from }: Server): KilnClient {
  if (typeof token === 'string' && !/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError('the API token has characters that no token has (white space, perhaps a line end?)');
  }
  try {
    return new KilnClient({ url, token });
  } catch {
    throw new UsageError(`${from} is ${JSON.stringify(url)}: expected a URL with http:// or https://`);
  }
}

async function readClientFile(path: string): Promise<{ url: string; token: string | undefined } | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new UsageError(`can't read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const value = parse(text);
  if (typeof value?.url !== 'string') {
    throw new UsageError(`${path}: expected {"url": …, "token": …}; \`kiln up\` writes it anew`);
  }
  return { url: value.url, token: typeof value.token === 'string' ? value.token : undefined };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
