import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KilnClient } from '@kiln/client';

const CLI = fileURLToPath(new URL('../../../apps/cli/src/main.ts', import.meta.url));

export interface BenchPool extends AsyncDisposable {
  readonly client: KilnClient;
  /** A temporary directory that is removed with the pool. */
  readonly dir: string;
  /** Its data directory. */
  readonly data: string;
  readonly pid: number;
  /** Variables with which the CLI uses the pool. */
  readonly env: Readonly<Record<string, string>>;
}

export interface BenchPoolOptions {
  readonly name?: string;
  readonly driver?: 'docker' | 'docker-container';
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a pool by `kiln up`, with one slot, by default on the engine's own BuildKit. */
export async function kilnUp({
  name = 'bench',
  driver = 'docker',
  env = {},
}: BenchPoolOptions = {}): Promise<BenchPool> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const data = join(dir, 'data');
  const args = ['up', '--data-dir', data, '--port', '0', '--name', name, '--slots', '1', '--driver', driver];
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // The benches' git servers are on this machine.
    // Its own data home, so that the user's commands don't find this pool.
    env: { ...process.env, XDG_DATA_HOME: dir, KILN_ALLOWED_HOSTS: 'loopback', ...env },
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
      if (said.includes('kiln up: ready')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`kiln up exited with ${code}:\n${said}`)));
  });
  const { url, token } = JSON.parse(await readFile(join(data, 'client.json'), 'utf8')) as {
    url: string;
    token: string;
  };
  return {
    client: new KilnClient({ url, token }),
    dir,
    data,
    pid: child.pid ?? 0,
    env: { KILN_URL: url, KILN_TOKEN: token },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      await exited;
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
