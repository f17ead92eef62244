import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { freePort } from '@kiln/runtime/testing';
import { openState, type State } from '@kiln/state';
import type { TestRedis } from '@kiln/state/testing';
import { onTestFailed } from 'vitest';
import { contextOf } from '../context.ts';
import { hanging } from '../dockerfiles.ts';
import type { TestHost } from '../hosts/test-host.ts';
import type { BuildLog } from '../logs.ts';
import { type Exit, ManagedProcess } from '../process.ts';
import { uniqueSeconds } from '../processes.ts';
import { until } from '../until.ts';
import { HangingBuild } from './hanging-build.ts';
import { type Member, Members } from './members.ts';
import type { PoolOptions, Role, SubmitRequest } from './options.ts';
import { NAMESPACE, type PoolSettings, processEnv } from './process-env.ts';
import { programsOfRun } from './programs.ts';
import { sweepContainers, sweepHanging } from './sweep.ts';

/** Log message by which a process is ready. */
const READY: Partial<Record<Role, string>> = { api: 'api listening', worker: 'worker joined' };
const LEADER_TIMEOUT_MS = 60_000;

/** A pool of real processes on this machine, or with workers on hosts of their own. See `startPool` and `sharedPool`. */
export class Pool implements AsyncDisposable {
  readonly redis: TestRedis;
  readonly leaseTtlMs: number;
  /** Slots of each host. */
  readonly slots: number;
  readonly #options: PoolOptions;
  readonly #settings: PoolSettings;
  readonly #members = new Members();
  readonly #hanging: HangingBuild[] = [];
  readonly #apiUrls = new Map<string, string>();
  readonly #apiPorts = new Map<string, number>();
  /** Files that start the processes. */
  #programs: Readonly<Record<Role, string>> | undefined;
  #state: Promise<State> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: PoolOptions, dir: string, redis: TestRedis) {
    this.#options = options;
    this.redis = redis;
    this.leaseTtlMs = options.leaseTtlMs ?? 5_000;
    this.slots = options.slots ?? 2;
    this.#settings = {
      ...{ options, dir, secretKey: randomBytes(32), token: randomUUID() },
      ...{ redisUrl: redis.url, redisTcpUrl: redis.tcpUrl, leaseTtlMs: this.leaseTtlMs, slots: this.slots },
    };
  }

  async startAll(): Promise<void> {
    const { hosts, workers = hosts?.names ?? ['a'], schedulers = 1, apis = 1, programs } = this.#options;
    this.#programs = { ...(await programsOfRun()), ...programs };
    const started = numbered(apis).map((name) => this.start('api', name));
    // Workers on hosts of their own are given the API's URL.
    if (hosts) await started[0];
    await Promise.all([
      ...started,
      ...workers.map((name) => this.start('worker', name)),
      ...numbered(schedulers).map((name) => this.start('scheduler', name)),
    ]);
  }

  /** Shows the processes' logs if the test that is running fails. */
  watch(): void {
    try {
      onTestFailed(() => this.showLogs());
    } catch {
      // Not inside a test.
    }
  }

  showLogs(): void {
    this.#members.showLogs();
  }

  /** Log lines of all processes that contain `text`. */
  linesOf(text: string): string[] {
    return this.#members.linesOf(text);
  }

  /** A client of the first API that is running. */
  get client(): KilnClient {
    const running = this.#members.running('api').map(({ name }) => name);
    return this.clientOf(running.sort()[0] ?? '1');
  }

  /** What a process needs to use the pool as its client. */
  get clientEnv(): { readonly KILN_URL: string; readonly KILN_TOKEN: string } {
    return { KILN_URL: this.client.url, KILN_TOKEN: this.#settings.token };
  }

  /** Port of Redis for workers on hosts of their own. */
  get redisPort(): number {
    return Number(new URL(this.redis.tcpUrl ?? '').port);
  }

  /** A client of this API process, which remains valid when the process is restarted. */
  clientOf(api: string): KilnClient {
    const url = this.#apiUrls.get(api);
    if (url === undefined) throw new Error(`no API named ${api} was started`);
    return new KilnClient({ url, token: this.#settings.token });
  }

  /** The pool's state, to look behind the API or to write as a process would. It closes with the pool. */
  state(): Promise<State> {
    this.#state ??= openState({
      redisUrl: this.redis.url,
      namespace: NAMESPACE,
      secretKey: this.#settings.secretKey,
      onError: () => {},
    });
    return this.#state;
  }

  async submit(
    dockerfile: string,
    { files = {}, name = randomUUID(), by = this.client, ...request }: SubmitRequest = {},
  ): Promise<BuildView> {
    const context = await contextOf({ Dockerfile: dockerfile, ...files });
    return await by.submit({ source: { type: 'upload', name }, ...request }, { context });
  }

  /** Submits a build whose RUN sleeps for the given seconds, and waits until it does. The pool fails at its end if a RUN is left. */
  async hang(dockerfile: (seconds: string) => string = hanging, request: SubmitRequest = {}): Promise<HangingBuild> {
    const seconds = uniqueSeconds();
    const { id } = await this.submit(dockerfile(seconds), request);
    const build = new HangingBuild(this.client, id, seconds);
    this.#hanging.push(build);
    return await build.hangs();
  }

  /** Waits until the build has ended, but for a much shorter time than a client would. */
  async end(id: string, timeoutMs = 60_000): Promise<BuildView> {
    return await this.client.waitForEnd(id, { signal: AbortSignal.timeout(timeoutMs) });
  }

  /** The build's log up to now. */
  async log(id: string): Promise<BuildLog> {
    return await Array.fromAsync(this.client.followLog(id, { follow: false }));
  }

  /** Remaining time of this host's lease, ms; negative if the lease has ended. */
  async leaseOf(host: string): Promise<number> {
    const { redis, keys } = await this.state();
    return await redis.pttl(keys.hostLease(host));
  }

  /** The running process of this name, or else the one that ran last. */
  process(role: Role, name: string): ManagedProcess {
    return this.#members.process(role, name);
  }

  /** Sends the signal and waits until the process has ended. */
  kill(role: Role, name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    return this.process(role, name).end(signal);
  }

  /** Starts a process and waits until it is ready. A restarted process has the port and the data directory of its predecessor. */
  async start(role: Role, name: string): Promise<ManagedProcess> {
    if (role === 'api' && !this.#apiPorts.has(name))
      this.#apiPorts.set(name, await freePort(this.#options.hosts?.address));
    const started = this.launch(role, name);
    const ready = READY[role];
    if (ready !== undefined) {
      const line = await started.said(ready);
      if (role === 'api') this.#apiUrls.set(name, String(line.url));
    }
    return started;
  }

  /** Whether every worker has joined the pool since its last start. */
  get workersJoined(): boolean {
    const { worker: joined = '' } = READY;
    return this.#members.namesOf('worker').every((name) => this.process('worker', name).find(joined) !== undefined);
  }

  /** Starts a process without waiting for it. An API's first start must use `start`, which chooses its port. */
  launch(role: Role, name: string): ManagedProcess {
    const host = this.#hostOf(role, name);
    if (this.#programs === undefined) throw new Error('the pool has not been started yet');
    const [command = '', ...args] = [...(host?.enter ?? []), process.execPath, this.#programs[role]];
    const place = {
      role,
      name,
      host,
      dataDir: this.dataDir(role, name),
      apiUrls: this.#apiUrls,
      port: this.#apiPorts.get(name),
    };
    const started = new ManagedProcess(`${role} ${name}`, command, args, processEnv(this.#settings, place));
    this.#members.add({ role, name, process: started });
    return started;
  }

  /** The latest process of each name, where it has ended. */
  ended(): Member[] {
    return this.#members.ended();
  }

  /** Restores a working pool with free slots: its Redis, its hosts, every process that has ended; and cancels the builds that are left. */
  async recover(): Promise<void> {
    await this.redis.up();
    await this.#options.hosts?.recover();
    await Promise.all(this.ended().map(({ role, name }) => this.start(role, name)));
    await this.#cancelBuilds();
  }

  /** Cancels the builds that haven't ended: a test that failed may leave one, which would hold a slot that the next test needs. */
  async #cancelBuilds(): Promise<void> {
    const { redis, keys } = await this.state();
    const states = ['queued', 'assigned', 'running'];
    const left = await Promise.all(states.map((state) => redis.zrange(keys.indexState(state), '0', '-1')));
    await Promise.all(
      left.flat().map(async (id) => {
        await this.client.cancel(id);
        await this.end(id);
      }),
    );
  }

  /** Ends a host as a power cut would: its worker and everything on its engine end at once. */
  async lose(host: string): Promise<void> {
    await Promise.all([this.kill('worker', host), this.#options.hosts?.host(host).kill()]);
  }

  /** Starts a lost host and its worker again. */
  async bringBack(host: string): Promise<void> {
    await this.#options.hosts?.host(host).start();
    await this.start('worker', host);
  }

  /** Waits until a scheduler leads. Returns its name. */
  async leader(): Promise<string> {
    const { redis, keys } = await this.state();
    const leads = async () => {
      const token = await redis.get(`${keys.leaderToken()}:fence`);
      const isLeader = ({ process: child }: Member) =>
        child.find('scheduler leads', ({ fencingToken }) => fencingToken === token) !== undefined;
      return this.#members.running('scheduler').find(isLeader)?.name;
    };
    return await until('a scheduler leads', leads, LEADER_TIMEOUT_MS);
  }

  dataDir(role: Role, name: string): string {
    return join(this.#settings.dir, `${role}-${name}`);
  }

  /** The host that a process runs on; undefined for this machine. */
  #hostOf(role: Role, name: string): TestHost | undefined {
    const { hosts } = this.#options;
    return role === 'worker' && hosts?.has(name) ? hosts.host(name) : undefined;
  }

  /** Stops everything. @throws Error if a process had to be killed, or a container or a RUN process was left behind */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    // The processes need a working Redis to stop in order.
    await this.redis.up().catch(() => {});
    await this.#options.hosts?.recover();
    // Workers first, because they need the other processes to leave in order.
    const leaks = [...(await this.#members.stop('worker')), ...(await this.#members.stop('api', 'scheduler'))];
    leaks.push(...(await this.#sweep()));
    await (await this.#state)?.[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
    await rm(this.#settings.dir, { recursive: true, force: true });
    if (leaks.length > 0) throw new Error(`the pool left behind: ${leaks.join('; ')}`);
  }

  async #sweep(): Promise<string[]> {
    const leaks: string[] = [];
    for (const name of this.#members.namesOf('worker')) {
      const socket = this.#hostOf('worker', name)?.socket;
      const worker = { process: this.process('worker', name), dataDir: this.dataDir('worker', name), socket };
      leaks.push(...(await sweepContainers(worker)));
    }
    for (const build of this.#hanging) leaks.push(...(await sweepHanging(build)));
    return leaks;
  }
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i + 1}`);
}
