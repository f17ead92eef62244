import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from '../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A pool that this user has given a name. */
export interface Context {
  readonly url: string;
  /** Absent: the pool's other credentials apply, such as KILN_TOKEN or the identity of a CI job. */
  readonly token?: string;
  /** When the token expires, ms since the epoch. Absent: not known, or never. */
  readonly expiresAt?: number;
}

export interface Contexts {
  /** The name of the one that is used if nothing else is named. Absent: the pool that `kiln up` runs on this machine. */
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
}

/** Stands for the pool that `kiln up` runs on this machine. */
export const LOCAL_CONTEXT = 'local';

const NONE: Contexts = { contexts: {} };
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Returns the file that holds the contexts: $KILN_CONFIG, or `kiln/contexts.json` in the user's XDG configuration directory. */
export function contextsFile(env: Env): string {
  if (env.KILN_CONFIG) return env.KILN_CONFIG;
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'kiln', 'contexts.json');
}

/** Reads the contexts. Without a file there are none. @throws UsageError if the file can't be read, or has another form */
export async function readContexts(env: Env): Promise<Contexts> {
  const file = contextsFile(env);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NONE;
    throw new UsageError(`can't read ${file}: ${(error as Error).message}`);
  }
  try {
    return parsed(JSON.parse(text));
  } catch {
    throw new UsageError(
      `${file}: expected {"current": NAME, "contexts": {NAME: {"url": …, "token": …}}}; repair or remove it`,
    );
  }
}

/**
 * Replaces the contexts with what `change` makes of them. The file is replaced as a whole, and only its owner may read it.
 * @throws UsageError
 */
export async function changeContexts(env: Env, change: (before: Contexts) => Contexts): Promise<void> {
  const file = contextsFile(env);
  const after = change(await readContexts(env));
  const draft = `${file}.${process.pid}.new`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(draft, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw new UsageError(`can't write ${file}: ${(error as Error).message}`);
  }
}

/** Returns the contexts with this one changed or added, and in use if `use` is true. */
export function withContext(before: Contexts, name: string, context: Context, use: boolean): Contexts {
  return { ...before, ...(use && { current: name }), contexts: { ...before.contexts, [name]: context } };
}

/** Returns the context of this name. @throws UsageError with the names that there are */
export function contextNamed({ contexts }: Contexts, name: string, from: string): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found) return found;
  const names = Object.keys(contexts).sort();
  const known = names.length > 0 ? `one of ${names.join(', ')}` : 'the name of a context; `kiln login URL` makes one';
  throw new UsageError(`${from}: got ${JSON.stringify(name)}, expected ${known}`);
}

/** Checks the name of a new context. @throws UsageError */
export function checkContextName(name: string): string {
  if (name === LOCAL_CONTEXT)
    throw new UsageError(`the context ${LOCAL_CONTEXT} is the pool of kiln up; choose another name`);
  if (NAME.test(name)) return name;
  throw new UsageError(
    `name of the context: got ${JSON.stringify(name)}, expected letters, digits, ".", "_" or "-", at most 63`,
  );
}

/** Adds `https://` to an address without a scheme, and removes what follows the path. @throws UsageError if it is no http or https URL */
export function serverUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      `got ${JSON.stringify(text)}, expected the address of a Kiln, such as https://kiln.example.com`,
    );
  }
  return url.href.replace(/\/$/, '');
}

function parsed(value: unknown): Contexts {
  const { current, contexts } = value as { current?: unknown; contexts: Record<string, Record<string, unknown>> };
  const read = Object.entries(contexts).map(([name, { url, token, expiresAt }]) => {
    if (typeof url !== 'string') throw new TypeError('no url');
    const context: Context = {
      url,
      ...(typeof token === 'string' && { token }),
      ...(typeof expiresAt === 'number' && { expiresAt }),
    };
    return [name, context] as const;
  });
  return { ...(typeof current === 'string' && { current }), contexts: Object.fromEntries(read) };
}
