import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A pool that `kiln up` has announced: where it listens, and the token of its owner. */
export interface LocalPool {
  readonly url: string;
  readonly token: string | undefined;
  /** The file that announces it. */
  readonly file: string;
  readonly dataDir: string;
}

/** Returns the data directory of a `kiln up` without --data-dir: $KILN_DATA_DIR, or `kiln` in the user's XDG data directory. */
export function dataDirectory(env: Env): string {
  return env.KILN_DATA_DIR || userDirectory(env);
}

function userDirectory(env: Env): string {
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share'), 'kiln');
}

/** Where a data directory that isn't the default one is noted: a file per directory, so that two pools never write the same one. */
function noteOf(env: Env, dataDir: string): string {
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return join(notesDirectory(env), `${name}.json`);
}

function notesDirectory(env: Env): string {
  return join(userDirectory(env), 'pools');
}

/**
 * Lets this user's commands find a pool whose data is in `dataDir`, until it is disposed of. Nothing is written for the directory that they
 * look into anyway.
 * @throws the file system's errors
 */
export async function noteLocalPool(env: Env, dataDir: string): Promise<AsyncDisposable> {
  if (dataDir === userDirectory(env)) return { [Symbol.asyncDispose]: async () => {} };
  const note = noteOf(env, dataDir);
  await mkdir(notesDirectory(env), { recursive: true, mode: 0o700 });
  await writeFile(note, `${JSON.stringify({ dataDir })}\n`, { mode: 0o600 });
  return { [Symbol.asyncDispose]: () => rm(note, { force: true }) };
}

/**
 * Returns the pools that `kiln up` runs on this machine for this user: that of the default data directory first. With $KILN_DATA_DIR, only
 * the one in that directory. A pool in another directory counts only while its process runs.
 * @throws UsageError if a file can't be read
 */
export async function localPools(env: Env): Promise<LocalPool[]> {
  const first = await readPool(dataDirectory(env));
  if (env.KILN_DATA_DIR) return first ? [first] : [];
  const noted = await Promise.all((await notedDirectories(env)).map(runningPool));
  return [first, ...noted].filter((pool) => pool !== undefined);
}

async function notedDirectories(env: Env): Promise<string[]> {
  const directory = notesDirectory(env);
  const names = await readdir(directory).catch(() => []);
  const notes = await Promise.all(names.sort().map((name) => readFile(join(directory, name), 'utf8').catch(() => '')));
  return notes.map((text) => parse(text)?.dataDir).filter((dataDir) => typeof dataDir === 'string');
}

async function runningPool(dataDir: string): Promise<LocalPool | undefined> {
  const pid = Number(await readFile(join(dataDir, 'up.pid'), 'utf8').catch(() => ''));
  return pid > 0 && isRunning(pid) ? readPool(dataDir) : undefined;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function readPool(dataDir: string): Promise<LocalPool | undefined> {
  const file = join(dataDir, 'client.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`can't read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const value = parse(text);
  if (typeof value?.url !== 'string') {
    throw new UsageError(`${file}: expected {"url": …, "token": …}; \`kiln up\` rewrites the file`);
  }
  return { url: value.url, token: typeof value.token === 'string' ? value.token : undefined, file, dataDir };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/** Returns whether two URLs name the same server. The names of the loopback interface are the same machine. */
export function isSameServer(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false;
  const [a, b] = [new URL(one), new URL(other)];
  if (a.origin === b.origin) return true;
  return a.protocol === b.protocol && a.port === b.port && LOOPBACK.test(a.hostname) && LOOPBACK.test(b.hostname);
}
