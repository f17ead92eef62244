import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type BuildRequestInput, buildRequest, type LogRecord } from '@kiln/contracts';
import { type BuildRecord, type Granted, isTerminal, type Trust } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { type HostState, Leadership, openState, pendingBuild, type State, type StoredBuild } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { MemoryTrees } from '@kiln/trees/testing';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { type RunningWorker, startWorker } from '../worker.ts';
import type { WorkerDeps, WorkerOptions } from '../worker-options.ts';

const HOST = 'h1';
const DIGEST = `sha256:${'0'.repeat(64)}`;
const LEADER_MS = 600_000;
/** How long a test waits for a build or host at most. */
const WAIT = { timeout: 60_000, interval: 5 };

export interface TestBuild {
  readonly request?: Partial<BuildRequestInput>;
  readonly repo?: string;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly trust?: Trust;
  readonly granted?: Granted;
  readonly maxLogBytes?: number;
  readonly clonesWith?: BuildRecord['clonesWith'];
  readonly retryOf?: string;
  /** The trust class by which the leader assigns it. Default: `trust`. */
  readonly assignedAs?: Trust;
  /** Default: `h1`. */
  readonly host?: string | undefined;
}

/** A pool over a real Redis, whose workers all run on host h1 unless a test says otherwise, and which assigns builds as the API and the scheduler would. */
export class TestHost implements AsyncDisposable {
  readonly state: State;
  /** A temporary directory, removed with the pool. */
  readonly dir: string;
  readonly #redisUrl: string;
  readonly #workers: RunningWorker[] = [];

  private constructor(state: State, redisUrl: string, dir: string) {
    this.state = state;
    this.dir = dir;
    this.#redisUrl = redisUrl;
  }

  static async open(redisUrl: string): Promise<TestHost> {
    const dir = await mkdtemp(join(tmpdir(), 'kiln-worker-'));
    return new TestHost(await openPool(redisUrl, `worker-${randomUUID()}`, 1), redisUrl, dir);
  }

  /** Opens the same pool with another secret key. */
  strangersState(): Promise<State> {
    return openPool(this.#redisUrl, this.state.keys.prefix.slice(1, -2), 2);
  }

  async start(
    options: Partial<WorkerOptions>,
    deps: Pick<WorkerDeps, 'executors'> & Partial<WorkerDeps>,
  ): Promise<RunningWorker> {
    const worker = await startWorker(
      { hostName: HOST, slots: 2, leaseTtlMs: 5_000, syncEveryMs: 200, fenceMarginMs: 1_000, ...options },
      {
        ...this.state,
        identity: { machine: 'm1', incarnation: randomUUID() },
        trees: () => new MemoryTrees(),
        openContext: async () => Readable.from(['a tar']),
        outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
        storeArtifact: async () => ({ digest: DIGEST, sizeBytes: 0 }),
        log: createLogger({ app: 'test', level: 'silent' }),
        ...deps,
      },
    );
    this.#workers.push(worker);
    return worker;
  }

  /** Accepts a build. @param builds the store of the process that accepts it */
  async accept(
    { request = {}, repo = 'app', secrets = {}, trust, granted, maxLogBytes, clonesWith, retryOf }: TestBuild = {},
    builds: Pick<State['builds'], 'accept'> = this.state.builds,
  ): Promise<StoredBuild> {
    const parsed = buildRequest.parse({ source: { type: 'upload', name: 'app', digest: DIGEST }, ...request });
    const { registryLogins: logins, ...rest } = parsed;
    const clientLogins = logins && { registries: logins.map(({ registry }) => registry) };
    const spec = { ...rest, secrets: Object.keys(secrets), ...(clientLogins && { clientLogins }) };
    const { build } = await builds.accept({
      repo,
      spec,
      secrets,
      ...(logins && { logins }),
      maxLogBytes,
      ...(trust && { trust }),
      ...(granted && { granted }),
      ...(clonesWith && { clonesWith }),
      ...(retryOf !== undefined && { retryOf }),
    });
    return build;
  }

  /** Assigns a build to the host, without its job. @returns the outcome, `assigned` or why not */
  async assign(build: StoredBuild, assignedAs?: Trust, name = HOST): Promise<string> {
    const { redis, keys, hosts, pending } = this.state;
    const token = (await new Leadership(redis, keys, 'test', LEADER_MS).hold()) ?? '';
    const host = await hosts.get(name);
    if (!host) throw new Error('no worker has joined');
    const chosen = { name, incarnation: host.incarnation, slots: host.report.slots };
    const wanted = { ...pendingBuild(build), ...(assignedAs && { trust: assignedAs }) };
    return (await pending.assign(wanted, chosen, decisionFor(wanted.id, name), token)).outcome;
  }

  /** Accepts a build and assigns it to the host, without its job. @throws Error whose message is the outcome, if it can't be assigned */
  async assigned(wanted: TestBuild = {}): Promise<string> {
    const build = await this.accept(wanted);
    const outcome = await this.assign(build, wanted.assignedAs, wanted.host);
    if (outcome !== 'assigned') throw new Error(outcome);
    return build.record.id;
  }

  /** Accepts a build, assigns it to the host and puts its job into the host's queue. @throws as `assigned` */
  async deliver(wanted: TestBuild = {}): Promise<string> {
    const id = await this.assigned(wanted);
    await this.enqueue(id, wanted.host);
    return id;
  }

  async enqueue(id: string, host = HOST): Promise<void> {
    await this.state.queues.enqueue(host, { buildId: id, attempt: 1 });
  }

  /** Waits until the build is as `seen` wants it. Default: until it has ended. */
  build(id: string, seen: (record: BuildRecord) => boolean = ({ state }) => isTerminal(state)): Promise<BuildRecord> {
    return eventually(async () => {
      const record = (await this.state.builds.get(id))?.record;
      return record && seen(record) ? record : undefined;
    });
  }

  /** Waits until the host is as `seen` wants it. */
  host(seen: (host: HostState) => boolean = () => true): Promise<HostState> {
    return eventually(async () => {
      const host = await this.state.hosts.get(HOST);
      return host && seen(host) ? host : undefined;
    });
  }

  async log(id: string): Promise<LogRecord[]> {
    const batches = await this.state.logs.read(id, 1, 0, 10_000);
    return batches.flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as LogRecord));
  }

  /** Has all workers leave at once. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.drain(0)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.state[Symbol.asyncDispose]();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Starts a Redis for the tests of a file, and opens a new pool for each of them. */
export function useTestHost(): { readonly host: TestHost; readonly redis: TestRedis } {
  let redis: TestRedis;
  let host: TestHost;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis[Symbol.asyncDispose]());
  beforeEach(async () => {
    host = await TestHost.open(redis.url);
  });
  afterEach(async () => {
    // A test that failed while Redis was down would hang here otherwise, and hide its own reason.
    await redis.up();
    await host[Symbol.asyncDispose]();
  });
  return {
    get host() {
      return host;
    },
    get redis() {
      return redis;
    },
  };
}

/** Waits for a value that isn't undefined. */
export async function eventually<T>(read: () => Promise<T | undefined> | T | undefined): Promise<T> {
  return await vi.waitFor(async () => {
    const value = await read();
    if (value === undefined) throw new Error('not yet');
    return value;
  }, WAIT);
}

function openPool(redisUrl: string, namespace: string, key: number): Promise<State> {
  return openState({ redisUrl, namespace, secretKey: Buffer.alloc(32, key), onError: () => {} });
}
