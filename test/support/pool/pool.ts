import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KilnClient } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { openState, type State } from '@kiln/state';
import { TestRedis, type TestRedisOptions } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, onTestFailed, onTestFinished } from 'vitest';
import { processesWith, uniqueSeconds, until } from './conditions.ts';
import { type ContextFiles, contextOf } from './context.ts';
import { containersOf, removeContainer } from './engine.ts';
import type { TestHost } from './hosts/test-host.ts';
import type { TestHosts } from './hosts.ts';
import { type BuildLog, outputOf } from './logs.ts';
import { type Exit, ManagedProcess } from './process.ts';

export type Role = 'api' | 'scheduler' | 'worker';

export interface PoolOptions {
  /** Names of the hosts. Default: those of `hosts`, else one, `a`. */
  readonly workers?: readonly string[];
  /**
   * A worker of the name of one of these hosts runs there: on its engine and in its network, from where it reaches Redis and the API `1`. They
   * outlast the pool, which leaves them working. Without: all workers share this machine's engine, and nothing can be cut.
   */
  readonly hosts?: TestHosts;
  readonly appendFsync?: TestRedisOptions['appendFsync'];
  /** Called `1`, `2`, … Default: one. */
  readonly schedulers?: number;
  /** Called `1`, `2`, … Default: one. */
  readonly apis?: number;
  readonly slots?: number;
  readonly leaseTtlMs?: number;
  readonly syncEveryMs?: number;
  /** A watchdog of whole seconds: below 2 s it may fall after the lease's end. */
  readonly fenceMarginMs?: number;
  readonly leaderTtlMs?: number;
  readonly tickMs?: number;
  /** More settings for the processes of a role. */
  readonly env?: Partial<Record<Role, NodeJS.ProcessEnv>>;
}

export type SubmitRequest = Omit<BuildRequestInput, 'source'> & {
  /** Of the context, beside its Dockerfile. */
  readonly files?: ContextFiles;
  /** Of the source. Default: one that nobody else has. */
  readonly name?: string;
};

const MAIN: Record<Role, string> = {
  api: new URL('../../apps/api/src/main.ts', import.meta.url).pathname,
  scheduler: new URL('../../apps/scheduler/src/main.ts', import.meta.url).pathname,
  worker: new URL('../../apps/worker/src/main.ts', import.meta.url).pathname,
};
const READY: Partial<Record<Role, string>> = { api: 'api listening', worker: 'worker joined' };
const STOP_TIMEOUT_MS = 30_000;
const NAMESPACE = 'kiln';

export interface Member {
  readonly role: Role;
  readonly name: string;
  readonly process: ManagedProcess;
}

/**
 * Starts a pool of real processes on a Redis of its own, and waits until it serves. Inside a test it ends with the test, whatever
 * becomes of that, and says what its processes said where the test fails; elsewhere call `watch` in a `beforeEach`.
 */
export async function startPool(options: PoolOptions = {}): Promise<Pool> {
  const redis = await TestRedis.start({
    ...(options.hosts && { listenAt: options.hosts.address }),
    ...(options.appendFsync && { appendFsync: options.appendFsync }),
  });
  const pool = new Pool(options, await mkdtemp(join(tmpdir(), 'kiln-pool-')), redis);
  pool.watch();
  try {
    onTestFinished(() => pool[Symbol.asyncDispose]());
  } catch {
    // Not inside a test: whoever started it ends it.
  }
  try {
    await pool.startAll();
    return pool;
  } catch (error) {
    pool.showLogs();
    await pool[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

/**
 * One pool for all tests of a file: starting its processes takes longer than most of what they do. Before each test what another
 * one ended is started again, and what it did to hosts is undone.
 * @param begin called once, before the tests
 * @returns the pool, from within a test
 */
export function sharedPool(begin: () => PoolOptions | Promise<PoolOptions>, timeoutMs?: number): () => Pool {
  let pool: Pool | undefined;
  beforeAll(async () => {
    pool = await startPool(await begin());
  }, timeoutMs);
  beforeEach(async () => {
    pool?.watch();
    await pool?.recover();
  }, timeoutMs);
  afterAll(() => pool?.[Symbol.asyncDispose](), timeoutMs);
  return () => {
    if (pool === undefined) throw new Error('the pool isn’t started yet');
    return pool;
  };
}

export class Pool implements AsyncDisposable {
  readonly redis: TestRedis;
  readonly token = randomUUID();
  readonly leaseTtlMs: number;
  /** Of each host. */
  readonly slots: number;
  readonly #options: PoolOptions;
  readonly #dir: string;
  readonly #secretKey = randomBytes(32);
  /** All that were ever started, the latest of a name last. */
  readonly #members: Member[] = [];
  readonly #sleeps: string[] = [];
  readonly #apiUrls = new Map<string, string>();
  #state: Promise<State> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: PoolOptions, dir: string, redis: TestRedis) {
    this.#options = options;
    this.#dir = dir;
    this.redis = redis;
    this.leaseTtlMs = options.leaseTtlMs ?? 5_000;
    this.slots = options.slots ?? 2;
  }

  async startAll(): Promise<void> {
    const { hosts, workers = hosts?.names ?? ['a'], schedulers = 1, apis = 1 } = this.#options;
    const started = numbered(apis).map((name) => this.start('api', name));
    // Workers on hosts of their own have to be told where it is.
    if (hosts) await started[0];
    await Promise.all([
      ...started,
      ...workers.map((name) => this.start('worker', name)),
      ...numbered(schedulers).map((name) => this.start('scheduler', name)),
    ]);
  }

  /** Shows the processes' logs if the test that runs now fails. */
  watch(): void {
    try {
      onTestFailed(() => this.showLogs());
    } catch {
      // Not inside a test.
    }
  }

  showLogs(): void {
    for (const { process: child } of this.#members) {
      process.stderr.write(`--- ${child.title} (${child.pid})\n${child.lines.join('\n')}\n`);
    }
  }

  /** What all processes ever said of this. */
  linesOf(text: string): string[] {
    return this.#members.flatMap(({ process: { title, pid, lines } }) =>
      lines.filter((line) => line.includes(text)).map((line) => `${title} (${pid}): ${line}`),
    );
  }

  get client(): KilnClient {
    return this.clientOf('1');
  }

  /** Of a pool on hosts of their own. */
  get redisPort(): number {
    return Number(new URL(this.redis.tcpUrl ?? '').port);
  }

  /** A client of this API process, wherever it is restarted. */
  clientOf(api: string): KilnClient {
    const url = this.#apiUrls.get(api);
    if (url === undefined) throw new Error(`no api ${api}`);
    return new KilnClient({ url, token: this.token });
  }

  /** The pool's state, to look behind the API or to write as a process would. Ends with the pool. */
  state(): Promise<State> {
    this.#state ??= openState({
      redisUrl: this.redis.url,
      namespace: NAMESPACE,
      secretKey: this.#secretKey,
      onError: () => {},
    });
    return this.#state;
  }

  async submit(
    dockerfile: string,
    { files = {}, name = randomUUID(), ...request }: SubmitRequest = {},
  ): Promise<BuildView> {
    const context = await contextOf({ Dockerfile: dockerfile, ...files });
    return await this.client.submit({ source: { type: 'upload', name }, ...request }, { context });
  }

  /** The build as soon as it has ended; gives up much sooner than a client would. */
  async end(id: string, timeoutMs = 60_000): Promise<BuildView> {
    return await this.client.waitForEnd(id, { signal: AbortSignal.timeout(timeoutMs) });
  }

  /** The build's log as far as it goes now. */
  async log(id: string): Promise<BuildLog> {
    return await Array.fromAsync(this.client.followLog(id, { follow: false }));
  }

  /** The build as soon as `holds` of it. */
  async build(id: string, what: string, holds: (build: BuildView) => boolean, timeoutMs?: number): Promise<BuildView> {
    const read = async () => {
      const build = await this.client.get(id);
      return holds(build) && build;
    };
    return await until(`build is ${what}`, read, timeoutMs);
  }

  /** Seconds for a RUN to sleep by which its process is known; the pool's end checks that none is left. */
  sleepSeconds(): string {
    const seconds = uniqueSeconds();
    this.#sleeps.push(seconds);
    return seconds;
  }

  /** Waits until a RUN sleeps so long, and the log of build and attempt tells it. */
  async sleeping(seconds: string, id: string, attempt = 1): Promise<void> {
    await until(`attempt ${attempt} sleeps`, async () => (await isSleeping(seconds)) || undefined);
    await until(`attempt ${attempt} says so`, async () => {
      const log = (await this.log(id)).filter((record) => record.id.startsWith(`${attempt}.`));
      return /begun|line/.test(outputOf(log));
    });
  }

  /** Waits until more than `count` records have come. */
  async followedSome(followed: BuildLog, count = 0): Promise<void> {
    await until('more of the log comes', () => followed.length > count);
  }

  async awake(seconds: string, timeoutMs?: number): Promise<void> {
    await until(`nothing sleeps ${seconds} s`, async () => !(await isSleeping(seconds)), timeoutMs);
  }

  /** How long the lease of this host holds, ms; below 0 where it is over. */
  async leaseOf(host: string): Promise<number> {
    const { redis, keys } = await this.state();
    return await redis.pttl(keys.hostLease(host));
  }

  /** Lets a RUN that sleeps so long go on. */
  async release(seconds: string): Promise<void> {
    for (const pid of await sleepers(seconds)) process.kill(pid, 'SIGKILL');
  }

  /** The running process of this name, or the last that ran. */
  process(role: Role, name: string): ManagedProcess {
    const member = this.#members.findLast((each) => each.role === role && each.name === name);
    if (!member) throw new Error(`no ${role} ${name}`);
    return member.process;
  }

  /** Signals, and waits for the end. */
  kill(role: Role, name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    return this.process(role, name).end(signal);
  }

  /** Starts a process, again on the port and in the data directory that the last one of its name had, and waits until it serves. */
  async start(role: Role, name: string): Promise<ManagedProcess> {
    const started = this.launch(role, name);
    const ready = READY[role];
    if (ready !== undefined) {
      const line = await started.said(ready);
      if (role === 'api') this.#apiUrls.set(name, String(line.url));
    }
    return started;
  }

  /** Starts a process and doesn't wait. For an API's first start see `start`: only that learns its port. */
  launch(role: Role, name: string): ManagedProcess {
    const [command = '', ...args] = [...this.#enter(role, name), process.execPath, MAIN[role]];
    const started = new ManagedProcess(`${role} ${name}`, command, args, this.#envOf(role, name));
    this.#members.push({ role, name, process: started });
    return started;
  }

  /** Of each name the latest process, where that has ended. */
  ended(): Member[] {
    const latest = new Map(this.#members.map((member) => [`${member.role} ${member.name}`, member]));
    return [...latest.values()].filter(({ process: { running } }) => !running);
  }

  /** Back to a pool that works: its Redis, its hosts, and every process that has ended. */
  async recover(): Promise<void> {
    await this.redis.up();
    await this.#options.hosts?.recover();
    await Promise.all(this.ended().map(({ role, name }) => this.start(role, name)));
  }

  /** A host is lost, as by a power cut: its worker and all that its engine ran are gone at once. */
  async lose(host: string): Promise<void> {
    await Promise.all([this.kill('worker', host), this.#options.hosts?.host(host).kill()]);
  }

  /** A lost host comes back. */
  async bringBack(host: string): Promise<void> {
    await this.#options.hosts?.host(host).start();
    await this.start('worker', host);
  }

  async restart(role: Role, name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<ManagedProcess> {
    await this.kill(role, name, signal);
    return await this.start(role, name);
  }

  /** Name of the scheduler that leads; waits for one. */
  async leader(): Promise<string> {
    const { redis, keys } = await this.state();
    return await until('a scheduler leads', async () => {
      const token = await redis.get(`${keys.leaderToken()}:fence`);
      const leads = ({ role, process: child }: Member) =>
        role === 'scheduler' &&
        child.running &&
        child.find('scheduler leads', ({ fencingToken }) => fencingToken === token) !== undefined;
      return this.#members.find(leads)?.name;
    });
  }

  dataDir(role: Role, name: string): string {
    return join(this.#dir, `${role}-${name}`);
  }

  /** The host on which a process runs; undefined where that is this machine. */
  #hostOf(role: Role, name: string): TestHost | undefined {
    const { hosts } = this.#options;
    return role === 'worker' && hosts?.has(name) ? hosts.host(name) : undefined;
  }

  #enter(role: Role, name: string): readonly string[] {
    return this.#hostOf(role, name)?.enter ?? [];
  }

  #envOf(role: Role, name: string): NodeJS.ProcessEnv {
    const { syncEveryMs = 300, fenceMarginMs = 2_000, leaderTtlMs = 1_000, tickMs = 200 } = this.#options;
    const port = new URL((role === 'api' && this.#apiUrls.get(name)) || 'http://127.0.0.1:0').port;
    const roles: Record<Role, NodeJS.ProcessEnv> = {
      api: { KILN_HOST: this.#options.hosts?.address ?? '127.0.0.1', KILN_PORT: port, KILN_TOKEN: this.token },
      scheduler: { KILN_LEADER_TTL_MS: `${leaderTtlMs}`, KILN_TICK_MS: `${tickMs}` },
      worker: {
        KILN_HOST_NAME: name,
        KILN_SLOTS: `${this.slots}`,
        KILN_DATA_DIR: this.dataDir(role, name),
        KILN_DRIVER: 'docker',
        // Stories build in the names of several teams, mostly on one engine.
        KILN_ISOLATION: 'pool',
        KILN_LEASE_TTL_MS: `${this.leaseTtlMs}`,
        KILN_SYNC_EVERY_MS: `${syncEveryMs}`,
        KILN_FENCE_MARGIN_MS: `${fenceMarginMs}`,
      },
    };
    const host = this.#hostOf(role, name);
    return {
      ...process.env,
      KILN_REDIS_URL: this.redis.url,
      KILN_NAMESPACE: NAMESPACE,
      KILN_SECRET_KEY: this.#secretKey.toString('base64'),
      ...(role !== 'scheduler' && !host && { KILN_BLOB_DIR: join(this.#dir, 'blobs') }),
      ...roles[role],
      ...(host && {
        KILN_DOCKER_SOCKET: host.socket,
        KILN_REDIS_URL: this.redis.tcpUrl,
        KILN_API_URL: this.#apiUrls.get('1'),
        KILN_TOKEN: this.token,
      }),
      ...this.#options.env?.[role],
    };
  }

  /** Ends everything; throws when something had to be ended by force, or stayed. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    const leaks: string[] = [];
    // A pool whose Redis a test left dead can't end in order.
    await this.redis.up().catch(() => {});
    await this.#options.hosts?.recover();
    // Workers first: the others are needed for a worker to leave in order.
    for (const roles of [['worker'], ['api', 'scheduler']]) {
      const members = this.#members.filter(({ role, process: { running } }) => running && roles.includes(role));
      leaks.push(...(await Promise.all(members.map(endInOrder))).flat());
    }
    leaks.push(...(await this.#sweepContainers()), ...(await this.#sweepSleeps()));
    await (await this.#state)?.[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
    await rm(this.#dir, { recursive: true, force: true });
    if (leaks.length > 0) throw new Error(`the pool left behind: ${leaks.join('; ')}`);
  }

  /** The container of a killed worker stays by right, one of a worker that ended in order is a leak. */
  async #sweepContainers(): Promise<string[]> {
    const leaks: string[] = [];
    for (const name of new Set(this.#members.filter(({ role }) => role === 'worker').map((member) => member.name))) {
      const machine = await readFile(join(this.dataDir('worker', name), 'machine-id'), 'utf8').catch(() => undefined);
      if (machine === undefined) continue;
      const { code } = await this.process('worker', name).exited;
      const socket = this.#hostOf('worker', name)?.socket;
      for (const container of await containersOf(machine.slice(0, 8), socket)) {
        if (code === 0) leaks.push(`container ${container}`);
        await removeContainer(container, socket);
      }
    }
    return leaks;
  }

  async #sweepSleeps(): Promise<string[]> {
    const leaks: string[] = [];
    for (const seconds of this.#sleeps) {
      await this.awake(seconds, 10_000).catch(async () => {
        leaks.push(`RUN process sleeping ${seconds} s`);
        await this.release(seconds);
      });
    }
    return leaks;
  }
}

async function endInOrder({ process: child }: Member): Promise<string[]> {
  const timer = setTimeout(() => child.signal('SIGKILL'), STOP_TIMEOUT_MS);
  const { code, signal } = await child.end('SIGTERM');
  clearTimeout(timer);
  // So early in its start that it doesn't listen yet: it has nothing to leave behind.
  if (signal === 'SIGTERM' && child.lines.length === 0) return [];
  const words = child.lines.slice(-3).join(' | ');
  return code === 0 ? [] : [`${child.title} ended with ${code ?? signal}, its last words: ${words}`];
}

/** The `sleep` itself, or a shell that is about to start it. */
async function isSleeping(seconds: string): Promise<boolean> {
  return (await sleepers(seconds)).length > 0;
}

function sleepers(seconds: string): Promise<number[]> {
  return processesWith(seconds);
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i + 1}`);
}
