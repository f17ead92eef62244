import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';
import { Redis } from 'ioredis';

const LOCAL = '127.0.0.1';
/** How long Sentinel waits for a silent master, ms. */
const DOWN_AFTER_MS = 500;

interface Ports {
  readonly master: number;
  readonly sentinel: number;
  readonly replicas: readonly number[];
}

/** A master, its replicas and a Sentinel: real processes for a test, in a temporary directory. */
export class TestSentinel implements AsyncDisposable {
  readonly url: string;
  readonly #dir: string;
  readonly #ports: Ports;
  readonly #children = new Map<string, ChildProcess>();

  private constructor(dir: string, ports: Ports) {
    this.#dir = dir;
    this.#ports = ports;
    this.url = `redis+sentinel://${LOCAL}:${ports.sentinel}/main`;
  }

  /** @param options with two `replicas`, one is left after a failover */
  static async start({ replicas: count = 1 } = {}): Promise<TestSentinel> {
    const [master, sentinel, ...replicas] = await Promise.all(Array.from({ length: 2 + count }, () => freePort()));
    if (!master || !sentinel) throw new Error('no free ports');
    const dir = await mkdtemp(join(tmpdir(), 'kiln-sentinel-'));
    const started = new TestSentinel(dir, { master, sentinel, replicas });
    await started.#server('master', master);
    for (const port of replicas) await started.#server(`replica-${port}`, port, ['--replicaof', LOCAL, String(master)]);
    await started.#until('the replicas are in step', async (redis) => {
      await redis.set('in-step', '1');
      return (await redis.wait(count, 1_000)) === count;
    });
    await started.#sentinel();
    return started;
  }

  /** The URL of the first master itself. */
  get masterUrl(): string {
    return `redis://${LOCAL}:${this.#ports.master}`;
  }

  get replicaUrl(): string {
    return `redis://${LOCAL}:${this.#ports.replicas[0]}`;
  }

  /** Cuts the replicas off from the master, which keeps accepting writes. Existing connections stay. */
  async cutReplication(): Promise<void> {
    await this.#on(this.#ports.master, async (redis) => {
      await redis.config('SET', 'requirepass', 'not-for-the-replica');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'replica');
    });
  }

  /** Kills the master, so that Sentinel promotes a replica. */
  async killMaster(): Promise<void> {
    const child = this.#children.get('master');
    if (!child) throw new Error('there is no master');
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #server(name: string, port: number, more: readonly string[] = []): Promise<void> {
    const dir = join(this.#dir, name);
    await mkdir(dir);
    const settings = ['--port', String(port), '--bind', LOCAL, '--dir', dir, '--appendonly', 'yes'];
    const quick = ['--save', '', '--repl-diskless-sync-delay', '0'];
    this.#children.set(name, spawn('redis-server', [...settings, ...quick, ...more], { stdio: 'ignore' }));
    await this.#on(port, async (redis) => void (await redis.ping()));
  }

  async #sentinel(): Promise<void> {
    const file = join(this.#dir, 'sentinel.conf');
    const { master, sentinel, replicas } = this.#ports;
    const lines = [
      `port ${sentinel}`,
      `bind ${LOCAL}`,
      `dir ${this.#dir}`,
      `sentinel monitor main ${LOCAL} ${master} 1`,
      `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
      'sentinel failover-timeout main 3000',
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    this.#children.set('sentinel', spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' }));
    await this.#on(sentinel, async (redis) => {
      const knows = async () =>
        ((await redis.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]).length === replicas.length;
      while (!(await knows())) await new Promise((resolve) => setTimeout(resolve, 20));
    });
  }

  async #until(what: string, holds: (redis: Redis) => Promise<boolean>): Promise<void> {
    await this.#on(this.#ports.master, async (redis) => {
      for (let tries = 0; !(await holds(redis)); tries++) if (tries > 100) throw new Error(`timed out: ${what}`);
    });
  }

  async #on(port: number, work: (redis: Redis) => Promise<void>): Promise<void> {
    const redis = new Redis({ host: LOCAL, port, retryStrategy: () => 20 });
    redis.on('error', () => {});
    try {
      await work(redis);
    } finally {
      redis.disconnect();
    }
  }
}
