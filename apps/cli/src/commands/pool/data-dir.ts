import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { parseSecretKeys } from '@kiln/runtime';

/** Another `kiln up` is using the directory. */
export class DataDirInUse extends Error {
  readonly code = 'data_dir_in_use';
  constructor(dir: string, pid: number) {
    super(`${dir} is in use by another kiln up (process ${pid}); stop it, or use another --data-dir`);
  }
}

/** The files of `kiln up`. All are readable only by their owner. */
export interface DataDir extends AsyncDisposable {
  readonly path: string;
  readonly token: string;
  /** The token with which workers join. It grants nothing else. */
  readonly joinToken: string;
  /** The password of Redis when it listens for workers. */
  readonly redisPassword: string;
  /** The keys in `secret.key`. The first one seals, all of them open. */
  readonly secretKeys: readonly Buffer[];
  /** The machine's identity in the pool. It survives restarts, so that a new worker can replace its predecessor. */
  readonly machine: string;
  readonly blobs: string;
  readonly redis: string;
  readonly scratch: string;
  /** Writes the pool's address for the CLIs of this user. */
  announce(url: string): Promise<void>;
}

/** Opens the directory, creates what is missing, and locks it against a second `kiln up`. @throws DataDirInUse */
export async function openDataDir(path: string): Promise<DataDir> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const lock = join(path, 'up.pid');
  await takeLock(path, lock);
  for (const part of ['blobs', 'redis', 'scratch']) await mkdir(join(path, part), { recursive: true, mode: 0o700 });
  const token = await keep(join(path, 'token'), () => formatToken('admin', randomBytes(TOKEN_BYTES)));
  const client = join(path, 'client.json');
  return {
    path,
    token,
    joinToken: await keep(join(path, 'join-token'), () => formatToken('worker', randomBytes(TOKEN_BYTES))),
    redisPassword: await keep(join(path, 'redis.password'), () => randomBytes(32).toString('base64url')),
    secretKeys: parseSecretKeys(await keep(join(path, 'secret.key'), newSecretKey), join(path, 'secret.key')),
    machine: await keep(join(path, 'machine-id'), randomUUID),
    blobs: join(path, 'blobs'),
    redis: join(path, 'redis'),
    scratch: join(path, 'scratch'),
    announce: (url) => writeFile(client, `${JSON.stringify({ url, token }, null, 2)}\n`, { mode: 0o600 }),
    async [Symbol.asyncDispose]() {
      await rm(client, { force: true });
      await rm(lock, { force: true });
    },
  };
}

const newSecretKey = () => randomBytes(32).toString('base64');

/** Returns the file's content, creating the file with `make` if it is missing. */
async function keep(path: string, make: () => string): Promise<string> {
  try {
    await writeFile(path, `${make()}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await readFile(path, 'utf8')).trim();
}

/** Creates a lock file with our pid, replacing one that a dead process left. */
async function takeLock(dir: string, lock: string): Promise<void> {
  for (;;) {
    try {
      const file = await open(lock, 'wx', 0o600);
      await file.writeFile(String(process.pid));
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number(await readFile(lock, 'utf8').catch(() => '0'));
    if (pid > 0 && pid !== process.pid && (await isKilnUp(pid))) throw new DataDirInUse(dir, pid);
    await rm(lock, { force: true });
  }
}

/** Whether `pid` is a running `kiln up`, and not another process that reuses the number. */
async function isKilnUp(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'up');
  return commandLine.split('\0').includes('up');
}
