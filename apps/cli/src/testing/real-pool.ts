import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_DEFAULTS, type RunningApi, startApi } from '@kiln/api';
import { FsBlobStore } from '@kiln/blobs';
import { buildRequest, type HostReport } from '@kiln/contracts';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { DEFAULT_SCHEDULER, startScheduler } from '@kiln/scheduler';
import { type AttemptRef, Leadership, openState, type State } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { vi } from 'vitest';

const LEASE_MS = 600_000;

/** The API and scheduler of a pool in this process, with their own Redis. Tests report hosts by hand. */
export class RealPool implements AsyncDisposable {
  readonly token = 'a-user-token';
  readonly joinToken = 'a-join-token';
  readonly state: State;
  readonly redis: TestRedis;
  readonly api: RunningApi;
  readonly #stack: AsyncDisposableStack;

  private constructor(deps: Pick<RealPool, 'state' | 'redis' | 'api'>, stack: AsyncDisposableStack) {
    this.state = deps.state;
    this.redis = deps.redis;
    this.api = deps.api;
    this.#stack = stack;
  }

  /** Starts a pool. `redisUrl` overrides the address of Redis that workers get. */
  static async start({ redisUrl }: { redisUrl?: string } = {}): Promise<RealPool> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await TestRedis.start());
    const secretKey = Buffer.alloc(32, 1);
    const pool = { redisUrl: redis.url, namespace: 'pool', secretKey };
    const state = stack.use(await openState({ ...pool, onError: () => {} }));
    const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-pool-')), (path) => rm(path, { recursive: true }));
    const log = createLogger({ app: 'test', level: 'silent' });
    const grant = { redisUrl: redisUrl ?? redis.url, namespace: 'pool', secretKey: secretKey.toString('base64') };
    const api = stack.adopt(
      await startApi(
        {
          ...API_DEFAULTS,
          port: 0,
          tokens: ['a-user-token'],
          join: { tokens: ['a-join-token'], ...grant },
          closeTimeoutMs: 500,
        },
        {
          ...state,
          outgoing: stack.use(
            new OutgoingGuard(NO_ALLOWED_HOSTS, async () => [{ address: '93.184.216.34', family: 4 }]),
          ),
          blobs: new FsBlobStore(dir),
          log,
        },
      ),
      (running) => running.close(),
    );
    const leadership = new Leadership(state.redis, state.keys, randomUUID(), DEFAULT_SCHEDULER.leaderTtlMs);
    stack.adopt(startScheduler({ ...DEFAULT_SCHEDULER, tickMs: 100 }, { ...state, leadership, log }), (running) =>
      running.close(),
    );
    return new RealPool({ state, redis, api }, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  get env(): Record<string, string> {
    return { KILN_URL: this.api.url, KILN_TOKEN: this.token, NO_COLOR: '1' };
  }

  /** Reports a host as its worker would. */
  async report(name: string, change: Partial<HostReport> = {}, incarnation = 'i1') {
    return this.state.hosts.sync(
      {
        name,
        slots: 2,
        platforms: ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3'],
        labels: {},
        driver: 'docker',
        engineVersion: '26.1.5',
        buildxVersion: '0.13.1',
        accepting: true,
        ...change,
      },
      { machine: `machine-of-${name}`, incarnation },
      LEASE_MS,
    );
  }

  async submit(more: object = {}): Promise<string> {
    const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' }, ...more }), secrets: [] };
    return (await this.state.builds.accept({ repo: 'app', spec, secrets: {} })).build.record.id;
  }

  /** Submits a build and waits until the scheduler has assigned it to a host. */
  async assigned(): Promise<AttemptRef> {
    const buildId = await this.submit();
    const attempt = await vi.waitFor(
      async () => {
        const last = (await this.state.builds.get(buildId))?.record.attempts.at(-1);
        if (!last) throw new Error(`build ${buildId} is not assigned yet`);
        return last;
      },
      { timeout: 60_000, interval: 10 },
    );
    return { buildId, attempt: attempt.number, host: attempt.host, incarnation: attempt.incarnation };
  }
}
