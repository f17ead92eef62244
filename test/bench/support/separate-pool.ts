import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KilnClient } from '@kiln/client';
import { freePort } from '@kiln/runtime/testing';
import { TestRedis } from '@kiln/state/testing';

const ROOT = new URL('../../../', import.meta.url);
const READY = { api: 'api listening', scheduler: 'scheduler leads', worker: 'worker joined' } as const;
type Role = keyof typeof READY;

export interface SeparatePool extends AsyncDisposable {
  readonly client: KilnClient;
  readonly url: string;
  readonly token: string;
  /** Resident memory of a process, bytes. */
  memory(role: Role): number;
  pid(role: Role): number;
}

/** Starts a pool whose API, scheduler and worker are separate processes, so that the memory of each can be measured. */
export async function separatePool(): Promise<SeparatePool> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const redis = await TestRedis.start();
  const url = `http://127.0.0.1:${await freePort()}`;
  const token = 'bench-token';
  const env = {
    ...process.env,
    KILN_REDIS_URL: redis.url,
    KILN_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
    KILN_TOKEN: token,
    KILN_PORT: new URL(url).port,
    KILN_HOST_NAME: 'bench',
    KILN_SLOTS: '1',
    KILN_DRIVER: 'docker',
    KILN_ISOLATION: 'pool',
  };
  const blobs = { KILN_BLOB_DIR: join(dir, 'blobs') };
  const children = new Map<Role, ChildProcess>();
  const pid = (role: Role) => children.get(role)?.pid ?? 0;
  children.set('api', await startProcess('api', { ...env, ...blobs }));
  children.set('scheduler', await startProcess('scheduler', env));
  children.set(
    'worker',
    await startProcess('worker', { ...env, KILN_DATA_DIR: join(dir, 'worker'), KILN_API_URL: url }),
  );
  return {
    client: new KilnClient({ url, token }),
    url,
    token,
    memory: (role) => residentBytes(pid(role)),
    pid,
    async [Symbol.asyncDispose]() {
      for (const child of [...children.values()].reverse()) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
      await redis[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function startProcess(role: Role, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const main = fileURLToPath(new URL(`apps/${role}/src/main.ts`, ROOT));
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.includes(READY[role])) return;
      said += chunk;
      if (said.includes(READY[role])) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${role} exited with ${code}:\n${said}`)));
  });
  return child;
}

export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
