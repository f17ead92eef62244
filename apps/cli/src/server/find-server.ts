import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TokenSource } from '@kiln/client';
import type { FlagTable, FlagValues } from '../framework/flags.ts';
import { UsageError } from '../io/errors.ts';
import { ciIdentity } from './ci-identity.ts';

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

/** Returns Kiln's data directory: $KILN_DATA_DIR, or `kiln` in the user's XDG data directory. */
export function dataDirectory(env: Env): string {
  return env.KILN_DATA_DIR || join(env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share'), 'kiln');
}

/**
 * Finds the server to talk to. Flags take precedence over the environment, and that over `client.json`; a token takes precedence over a
 * CI identity. The token in the file is used only with the URL in the file, so that no other server sees it.
 * @throws UsageError if no server is configured
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
    `no server configured: start one on this machine with \`kiln up\`, or set KILN_URL and KILN_TOKEN (or --url and --token); ${path} doesn't exist`,
  );
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
    throw new UsageError(`${path}: expected {"url": …, "token": …}; \`kiln up\` rewrites the file`);
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
