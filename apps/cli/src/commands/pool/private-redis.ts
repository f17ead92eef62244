import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from '@kiln/runtime';

/** redis-server is missing, or exits when it starts; the message contains its last output. */
export class RedisNotStarted extends Error {
  readonly code = 'redis_not_started';
}

/** Where the private Redis listens for workers on other machines, always with a password. */
export interface RedisListener {
  /** An IP address of this machine, or `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly port: number;
  readonly password: string;
}

export interface PrivateRedis extends AsyncDisposable {
  /** `unix://…` */
  readonly url: string;
  /** `redis://…`, for workers. Undefined if it doesn't listen for them. */
  readonly workerUrl: string | undefined;
  /** Returns the pid of the current child, for tests that kill it. */
  readonly pid: () => number | undefined;
}

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 10_000;
/** Longest path of a unix socket that every kernel accepts, in bytes. */
const SOCKET_PATH_MAX = 100;
const RESTART_AFTER_MS = 200;
const KEPT_OUTPUT_CHARS = 4_000;

/**
 * Starts a private Redis as a child process, with an append-only file in `dir` and a unix socket that only this user can open. It opens a
 * port only if `listen` is given. A child that dies is restarted on the same data.
 * @throws RedisNotStarted
 */
export async function startPrivateRedis(
  dir: string,
  log: Logger,
  { listen, command = 'redis-server' }: { listen?: RedisListener | undefined; command?: string } = {},
): Promise<PrivateRedis> {
  const socket = await socketPath(dir);
  const child = new RedisChild(command, { args: redisArguments(dir, socket, listen), socket, listen }, log);
  await child.start();
  return {
    url: listen ? `unix://:${encodeURIComponent(listen.password)}@${socket}` : `unix://${socket}`,
    workerUrl: listen && listenerUrl(listen),
    pid: () => child.pid,
    async [Symbol.asyncDispose]() {
      await child.stop();
      if (dirname(socket) !== dir) await rm(dirname(socket), { recursive: true, force: true });
    },
  };
}

function listenerUrl({ address, port, password }: RedisListener): string {
  return `redis://:${encodeURIComponent(password)}@${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** With a leading `-`, Redis reads further settings from standard input: the password, because others can read a command line. */
function redisArguments(dir: string, socket: string, listen: RedisListener | undefined): string[] {
  return [
    ...(listen ? ['-', '--port', String(listen.port), '--bind', listen.address] : ['--port', '0']),
    ...['--unixsocket', socket, '--unixsocketperm', '700'],
    ...['--dir', dir],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
    ...['--maxmemory-policy', 'noeviction'],
    ...['--daemonize', 'no'],
  ];
}

/** Returns a path beside the data if it is short enough, else one in a temporary directory of this user. */
async function socketPath(dir: string): Promise<string> {
  const beside = join(dir, 'redis.sock');
  if (Buffer.byteLength(beside) <= SOCKET_PATH_MAX) return beside;
  const short = join(tmpdir(), `kiln-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`);
  await mkdir(short, { recursive: true, mode: 0o700 });
  return join(short, 'redis.sock');
}

interface ChildOptions {
  readonly args: readonly string[];
  readonly socket: string;
  readonly listen: RedisListener | undefined;
}

class RedisChild {
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #socket: string;
  readonly #password: string | undefined;
  readonly #log: Logger;
  #child: ChildProcess | undefined;
  #output = '';
  #stopping = false;

  constructor(command: string, { args, socket, listen }: ChildOptions, log: Logger) {
    this.#command = command;
    this.#args = args;
    this.#socket = socket;
    this.#password = listen?.password;
    this.#log = log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    await rm(this.#socket, { force: true });
    // In a process group of its own, so that Ctrl-C reaches only Kiln, which stops Redis last.
    const child = spawn(this.#command, this.#args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    // The child may exit before it has read its input; its exit is reported below.
    child.stdin.on('error', () => {});
    child.stdin.end(this.#password === undefined ? '' : `requirepass ${this.#password}\n`);
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-KEPT_OUTPUT_CHARS);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const ended = new Promise<never>((_, reject) => {
      child.once('error', (error) => reject(new RedisNotStarted(`cannot start ${this.#command}: ${error.message}`)));
      child.once('exit', (code, signal) => {
        reject(
          new RedisNotStarted(
            `${this.#command} exited with ${signal ?? code}; its last output:\n${this.#output.trim()}`,
          ),
        );
      });
    });
    await Promise.race([this.#answers(), ended]);
    ended.catch(() => {});
    child.once('exit', (code, signal) => this.#restart(code, signal));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(force);
  }

  #restart(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return;
    this.#log.error({ code, signal, output: this.#output.slice(-500) }, 'redis exited; restarting it');
    setTimeout(() => {
      if (this.#stopping) return;
      this.start().catch((error: unknown) => {
        this.#log.error({ err: error }, 'redis restart failed');
        this.#restart(null, null);
      });
    }, RESTART_AFTER_MS);
  }

  /** Waits until Redis answers PING, which it doesn't while it loads the append-only file. */
  async #answers(): Promise<void> {
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    while (!(await ping(this.#socket, this.#password))) {
      if (performance.now() > giveUpAt) {
        throw new RedisNotStarted(
          `${this.#command} did not answer within ${START_TIMEOUT_MS / 1000} s; its last output:\n${this.#output}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function ping(socket: string, password: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const done = (answer: boolean) => {
      connection.destroy();
      resolve(answer);
    };
    connection.once('error', () => done(false));
    connection.once('connect', () =>
      connection.write(`${password === undefined ? '' : `AUTH ${password}\r\n`}PING\r\n`),
    );
    let answer = '';
    const expected = password === undefined ? '+PONG' : '+OK\r\n+PONG';
    connection.on('data', (data) => {
      answer += data.toString('latin1');
      if (answer.startsWith(expected)) done(true);
      else if (!expected.startsWith(answer)) done(false);
    });
    connection.once('close', () => done(false));
  });
}
