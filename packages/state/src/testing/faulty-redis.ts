import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { redisOptions } from '../redis/connect.ts';
import { scriptDigests } from '../redis/scripts.ts';
import { commandArgs, errorReply, RespCutter } from './resp.ts';

/** Errors in the words of Redis. */
const ERRORS = {
  OOM: "OOM command not allowed when used memory > 'maxmemory'.",
  NOREPLICAS: 'NOREPLICAS Not enough good replicas to write.',
  LOADING: 'LOADING Redis is loading the dataset in memory',
  READONLY: "READONLY You can't write against a read only replica.",
} as const;

/** Faults by which a command is answered with an error. */
export const REDIS_ERROR_REPLIES = Object.keys(ERRORS) as readonly (keyof typeof ERRORS)[];

/**
 * Faults of a command. An error code: the error is returned and the command isn't executed. `silence`: it isn't executed, the connection
 * goes silent and breaks after a while. `reset`: it isn't executed, and the connection breaks at once. `lost reply`: it is executed, and the
 * connection breaks before the answer.
 */
export const REDIS_FAULTS = [...REDIS_ERROR_REPLIES, 'silence', 'reset', 'lost reply'] as const;
export type RedisFault = (typeof REDIS_FAULTS)[number];

export interface SeenCommand {
  /** The command in lower case; for Kiln's scripts their name, for other scripts `script <digest>`. */
  readonly name: string;
  /** Arguments as the client sent them, without the command's name. */
  readonly args: readonly Buffer[];
}

export interface FaultyRedisOptions {
  /** How long after `silence` the connection breaks, ms. Default: 100, like a time-out of seconds, but sooner. */
  readonly silenceMs?: number;
  /** Listens at this address, on a free port, instead of a socket. */
  readonly listenAt?: string;
}

/** Commands that set up a connection. They never fail, because `reset` already covers faults of connections. */
const HANDSHAKE = new Set(['hello', 'auth', 'client', 'select', 'info', 'quit']);

/**
 * A proxy between clients and a real Redis that injects faults into their commands. Without a `fault` it passes everything on. It sees the
 * commands of all connections through it, so give each process under test its own.
 */
export class FaultyRedis implements AsyncDisposable {
  readonly url: string;
  /** Called for each command, in order of arrival, except for those that set up a connection. */
  fault: (command: SeenCommand) => RedisFault | undefined = () => undefined;
  readonly #server: Server;
  readonly #dir: string | undefined;
  readonly #links = new Set<Link>();
  readonly #silenceMs: number;

  private constructor(server: Server, url: string, dir: string | undefined, silenceMs: number) {
    this.#server = server;
    this.#dir = dir;
    this.#silenceMs = silenceMs;
    this.url = url;
  }

  static async start(upstreamUrl: string, options: FaultyRedisOptions = {}): Promise<FaultyRedis> {
    const { silenceMs = 100, listenAt } = options;
    const { path, host, port } = redisOptions(upstreamUrl);
    const upstream = () => (path === undefined ? connect(port ?? 6379, host) : connect(path));
    // The run's directory is removed also after a run that was killed.
    const parent = process.env.KILN_TEST_RUN_DIR ?? tmpdir();
    const dir = listenAt === undefined ? await mkdtemp(join(parent, 'kiln-faulty-')) : undefined;
    const server = createServer((client) => proxy.#link(client, upstream()));
    if (dir === undefined) server.listen(0, listenAt);
    else server.listen(join(dir, 'redis.sock'));
    await once(server, 'listening');
    const address = server.address();
    const url = typeof address === 'string' ? `unix://${address}` : `redis://${listenAt}:${address?.port}`;
    const proxy = new FaultyRedis(server, url, dir, silenceMs);
    return proxy;
  }

  /** Breaks all connections. */
  resetAll(): void {
    for (const link of this.#links) link.break();
  }

  #link(client: Socket, upstream: Socket): void {
    const link = new Link(client, upstream, this.#silenceMs, (command) => this.fault(command));
    this.#links.add(link);
    client.once('close', () => this.#links.delete(link));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resetAll();
    this.#server.close();
    await once(this.#server, 'close');
    if (this.#dir !== undefined) await rm(this.#dir, { recursive: true, force: true });
  }
}

/**
 * Replies that the client still gets, in the order of its commands: our own, or the server's next one, which is passed on, dropped, or breaks
 * the connection.
 */
type Owed = { readonly reply: Buffer } | { readonly server: 'pass' | 'drop' | 'break' };

const DISCARD = Buffer.from('*1\r\n$7\r\nDISCARD\r\n');
const PUSH = '>'.charCodeAt(0);

class Link {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #silenceMs: number;
  readonly #fault: (command: SeenCommand) => RedisFault | undefined;
  readonly #owed: Owed[] = [];
  #transaction: 'none' | 'open' | 'spoilt' = 'none';
  #silent = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    client: Socket,
    upstream: Socket,
    silenceMs: number,
    fault: (command: SeenCommand) => RedisFault | undefined,
  ) {
    this.#client = client;
    this.#upstream = upstream;
    this.#silenceMs = silenceMs;
    this.#fault = fault;
    const [commands, replies] = [new RespCutter(), new RespCutter()];
    client.on('data', (chunk) => {
      for (const value of commands.take(chunk)) this.#command(value);
    });
    upstream.on('data', (chunk) => {
      for (const value of replies.take(chunk)) this.#reply(value);
    });
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => this.break());
    }
  }

  break(): void {
    clearTimeout(this.#timer);
    this.#silent = true;
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #command(value: Buffer): void {
    if (this.#silent) return;
    const command = seen(value);
    const fault = HANDSHAKE.has(command.name) ? undefined : this.#fault(command);
    if (fault === undefined) {
      this.#forward(command.name, value);
    } else if (fault === 'reset') {
      this.break();
    } else if (fault === 'silence') {
      this.#silent = true;
      this.#timer = setTimeout(() => this.break(), this.#silenceMs);
    } else if (fault === 'lost reply') {
      this.#send(value, 'break');
    } else {
      this.#refuse(command.name, ERRORS[fault]);
    }
  }

  /** Refuses a command. As in Redis, a transaction with a refused command is refused as a whole. */
  #refuse(name: string, error: string): void {
    if (name === 'exec') this.#discard();
    else if (this.#transaction === 'open') this.#transaction = 'spoilt';
    this.#answer(errorReply(error));
  }

  #forward(name: string, value: Buffer): void {
    if (name === 'exec' && this.#transaction === 'spoilt') {
      this.#refuse(name, 'EXECABORT Transaction discarded because of previous errors.');
      return;
    }
    if (name === 'multi') this.#transaction = 'open';
    if (name === 'exec' || name === 'discard') this.#transaction = 'none';
    this.#send(value, 'pass');
  }

  #discard(): void {
    this.#transaction = 'none';
    this.#send(DISCARD, 'drop');
  }

  #send(command: Buffer, server: 'pass' | 'drop' | 'break'): void {
    this.#owed.push({ server });
    this.#upstream.write(command);
  }

  #answer(reply: Buffer): void {
    this.#owed.push({ reply });
    this.#deliver();
  }

  #reply(value: Buffer): void {
    // A push isn't a reply to a command.
    if (value[0] === PUSH) {
      this.#client.write(value);
      return;
    }
    const next = this.#owed.shift();
    const what = next && 'server' in next ? next.server : 'pass';
    if (what === 'break') this.break();
    if (what === 'pass') this.#client.write(value);
    this.#deliver();
  }

  #deliver(): void {
    for (let next = this.#owed[0]; next && 'reply' in next; next = this.#owed[0]) {
      this.#owed.shift();
      this.#client.write(next.reply);
    }
  }
}

function seen(value: Buffer): SeenCommand {
  const [first, ...args] = commandArgs(value);
  const name = (first?.toString('latin1') ?? '').toLowerCase();
  if (name !== 'evalsha' && name !== 'eval') return { name, args };
  const [script = Buffer.alloc(0), , ...rest] = args;
  const digest = name === 'eval' ? createHash('sha1').update(script).digest('hex') : script.toString('latin1');
  return { name: scriptDigests().get(digest) ?? `script ${digest.slice(0, 8)}`, args: rest };
}
