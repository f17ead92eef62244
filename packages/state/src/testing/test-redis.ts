import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';

export interface TestRedisOptions {
  /** An address to listen at beside the socket, without a password, for processes in another network namespace. */
  readonly listenAt?: string;
  /** When writes are flushed to disk. Default: `everysec`, as in Redis, which may lose a second if the machine fails, but not if Redis is killed. */
  readonly appendFsync?: 'always' | 'everysec';
  /** `maxmemory`, with `noeviction`. Default: none. */
  readonly maxMemoryBytes?: number;
}

/** A real redis-server for a test: append-only, on a unix socket, in a temporary directory. */
export class TestRedis implements AsyncDisposable {
  readonly url: string;
  /** The URL of its address, if any; the same after a restart. */
  readonly tcpUrl: string | undefined;
  readonly #dir: string;
  readonly #socket: string;
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(
    dir: string,
    { listenAt, appendFsync = 'everysec', maxMemoryBytes = 0 }: TestRedisOptions,
    port: number,
  ) {
    this.#dir = dir;
    this.#socket = join(dir, 'redis.sock');
    this.url = `unix://${this.#socket}`;
    this.tcpUrl = listenAt === undefined ? undefined : `redis://${listenAt}:${port}`;
    this.#settings = [
      ...['--port', `${port}`, '--unixsocket', this.#socket, '--dir', dir],
      ...['--maxmemory', `${maxMemoryBytes}`],
      ...['--appendonly', 'yes', '--appendfsync', appendFsync, '--save', ''],
      ...(listenAt === undefined ? [] : ['--bind', listenAt, '--protected-mode', 'no']),
    ];
  }

  static async start(options: TestRedisOptions = {}): Promise<TestRedis> {
    const { listenAt } = options;
    const port = listenAt === undefined ? 0 : await freePort(listenAt);
    const redis = new TestRedis(await mkdtemp(join(tmpdir(), 'kiln-redis-')), options, port);
    await redis.up();
    return redis;
  }

  /** Starts the server on its existing data, unless it is running. */
  async up(): Promise<void> {
    if (this.#child && isRunning(this.#child)) return;
    const child = spawn('redis-server', this.#settings, { stdio: 'ignore' });
    this.#child = child;
    while (!(await answers(this.#socket))) {
      if (!isRunning(child)) throw new Error(`redis-server ended with ${child.exitCode ?? child.signalCode}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Ends the server, by default with SIGKILL, like a crash. */
  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || !isRunning(child)) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Freezes the server, like an overloaded machine, or lets it continue. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const done = (answer: boolean) => {
      connection.destroy();
      resolve(answer);
    };
    connection.once('error', () => done(false));
    connection.once('close', () => done(false));
    connection.once('connect', () => connection.write('PING\r\n'));
    connection.once('data', (data) => done(data.toString('latin1').startsWith('+PONG')));
  });
}
