import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real redis-server of a test's own: append-only, on a unix socket, in a temporary directory. */
export class TestRedis implements AsyncDisposable {
  readonly url: string;
  readonly #dir: string;
  readonly #socket: string;
  #child: ChildProcess | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#socket = join(dir, 'redis.sock');
    this.url = `unix://${this.#socket}`;
  }

  static async start(): Promise<TestRedis> {
    const redis = new TestRedis(await mkdtemp(join(tmpdir(), 'kiln-redis-')));
    await redis.up();
    return redis;
  }

  /** Starts the server again, unless it runs, on the data that the last one left. */
  async up(): Promise<void> {
    if (this.#child && isRunning(this.#child)) return;
    const args = ['--port', '0', '--unixsocket', this.#socket, '--dir', this.#dir, '--appendonly', 'yes', '--save', ''];
    this.#child = spawn('redis-server', args, { stdio: 'ignore' });
    while (!(await answers(this.#socket))) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Ends the server: SIGKILL by default, as a crash would. */
  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || !isRunning(child)) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
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
    connection.once('connect', () => connection.write('PING\r\n'));
    connection.once('data', (data) => done(data.toString('latin1').startsWith('+PONG')));
  });
}
