import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { FsBlobStore, TreeStore } from '@kiln/blobs';
import type { BuildRequestInput, BuildView, LogRecord } from '@kiln/contracts';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import type { OpenMetrics } from '@kiln/metrics';
import { type AllowedHosts, NO_ALLOWED_HOSTS, OutgoingGuard, type Resolve } from '@kiln/runtime';
import { Leadership, type NewToken, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { pino } from 'pino';
import { API_DEFAULTS, type ApiConfig } from '../config.ts';
import { type RunningApi, startApi } from '../start-api.ts';

export const TOKEN = 'a-token-of-the-tests';
const LEASE_MS = 600_000;
const HOST = 'h1';
const INCARNATION = 'i1';

/** Resolves all names of the tests to one public address. */
const everywherePublic: Resolve = async () => [{ address: '93.184.216.34', family: 4 }];

/** A whole API over a real Redis and a real directory, with a host that the test controls. */
export class TestApi implements AsyncDisposable {
  readonly state: State;
  readonly api: RunningApi;
  readonly dir: string;
  readonly blobs: FsBlobStore;
  /** The trees in it. */
  readonly trees: TreeStore;
  /** Everything that was logged, as text. */
  readonly logged: string[];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<TestApi, 'state' | 'api' | 'dir' | 'blobs' | 'trees' | 'logged'>,
    stack: AsyncDisposableStack,
  ) {
    this.state = parts.state;
    this.api = parts.api;
    this.dir = parts.dir;
    this.blobs = parts.blobs;
    this.trees = parts.trees;
    this.logged = parts.logged;
    this.#stack = stack;
  }

  /** A given `redis` belongs to the caller; each API has a namespace of its own in it. */
  static async start(
    config: Partial<ApiConfig> = {},
    given: {
      redis?: Pick<TestRedis, 'url'>;
      minReplicas?: number;
      replicaTimeoutMs?: number;
      blobDir?: string;
      namespace?: string;
      secretKey?: Buffer | readonly Buffer[];
      now?: () => number;
      metrics?: OpenMetrics;
      resolve?: Resolve;
      /** Addresses of this machine that Kiln may contact on users' behalf. Default: none. */
      allowed?: AllowedHosts;
    } = {},
  ): Promise<TestApi> {
    await using stack = new AsyncDisposableStack();
    const redis = given.redis ?? stack.use(await TestRedis.start());
    const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-api-')), (path) =>
      rm(path, { recursive: true, force: true }),
    );
    const state = stack.use(
      await openState({
        redisUrl: redis.url,
        namespace: given.namespace ?? `api-${randomUUID()}`,
        secretKey: given.secretKey ?? Buffer.alloc(32, 1),
        onError: () => {},
        ...(given.minReplicas !== undefined && { minReplicas: given.minReplicas }),
        ...(given.replicaTimeoutMs !== undefined && { replicaTimeoutMs: given.replicaTimeoutMs }),
      }),
    );
    const blobs = new FsBlobStore(given.blobDir ?? dir);
    const logged: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        logged.push(chunk.toString());
        done();
      },
    });
    const { resolve = everywherePublic } = given;
    const outgoing = stack.use(new OutgoingGuard(given.allowed ?? NO_ALLOWED_HOSTS, resolve));
    const api = stack.adopt(
      await startApi(
        { ...API_DEFAULTS, port: 0, tokens: ['another', TOKEN], closeTimeoutMs: 1_000, logLingerMs: 0, ...config },
        {
          ...{ ...state, outgoing, blobs, log: pino({ level: 'debug' }, sink) },
          ...(given.now && { now: given.now }),
          ...(given.metrics && { metrics: given.metrics }),
        },
      ),
      (running) => running.close(),
    );
    await reportHost(state);
    const trees = stack.use(
      new TreeStore({
        blobs,
        horizonMs: API_DEFAULTS.contextRetentionMs,
        exclusively: (team, work) => state.treeLocks.exclusively(team, work),
        now: given.now ?? Date.now,
      }),
    );
    return new TestApi({ state, api, dir, blobs, trees, logged }, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  fetch(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
    const all = new Headers(headers);
    if (!all.has('authorization')) all.set('authorization', `Bearer ${TOKEN}`);
    return fetch(this.api.url + path, { ...init, headers: all });
  }

  /** Creates a stored token; returns it with the headers to send it. */
  async token(
    change: Partial<NewToken> = {},
  ): Promise<{ id: string; token: string; headers: { authorization: string } }> {
    const token = formatToken(change.kind ?? 'api', randomBytes(TOKEN_BYTES));
    const { id } = await this.state.tokens.create(token, {
      ...{ kind: 'api', name: 'test', team: 'web', scopes: [], trust: 'trusted', createdBy: 'test' },
      ...change,
    });
    return { id, token, headers: { authorization: `Bearer ${token}` } };
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  async submit(request: Partial<BuildRequestInput> = {}): Promise<BuildView> {
    const answer = await this.post('/v1/builds', {
      source: { type: 'git', url: 'https://git.example/app' },
      ...request,
    });
    if (answer.status !== 202) throw new Error(await answer.text());
    return (await answer.json()) as BuildView;
  }

  async view(id: string): Promise<BuildView> {
    return (await (await this.fetch(`/v1/builds/${id}`)).json()) as BuildView;
  }

  /** Places the build on the host and starts it; returns the attempt. */
  async run(id: string): Promise<TestAttempt> {
    const token = await new Leadership(this.state.redis, this.state.keys, 'test', LEASE_MS).hold();
    const build = await this.state.builds.get(id);
    if (!build || token === undefined) throw new Error(`build ${id} cannot be placed`);
    const pending = pendingBuild(build);
    const decision = decisionFor(id, HOST);
    const assigned = await this.state.pending.assign(
      pending,
      { name: HOST, incarnation: INCARNATION, slots: 100 },
      decision,
      token,
    );
    if (assigned.outcome !== 'assigned') throw new Error(assigned.outcome);
    const ref = { buildId: id, attempt: assigned.build.attempts.length, host: HOST, incarnation: INCARNATION };
    await this.state.attempts.start(ref);
    return new TestAttempt(this.state, ref, token);
  }

  /** Temporary files of uploads under way. */
  async temps(): Promise<string[]> {
    return readdir(join(this.blobs.dir, 'tmp')).catch(() => []);
  }
}

type Settlement = Parameters<State['attempts']['settle']>[1];

/** An attempt, with what its worker does. */
export class TestAttempt {
  readonly ref: Parameters<State['attempts']['start']>[0];
  readonly #state: State;
  readonly #token: string;
  #seq = 0;

  constructor(state: State, ref: TestAttempt['ref'], token: string) {
    this.#state = state;
    this.ref = ref;
    this.#token = token;
  }

  async log(...records: readonly LogRecord[]): Promise<void> {
    await this.#state.logs.append(
      this.ref,
      this.#seq + 1,
      records.map((record) => JSON.stringify(record)),
    );
    this.#seq += records.length;
  }

  async settle(outcome: Settlement): Promise<void> {
    await this.#state.attempts.settle(this.ref, outcome);
  }

  /** Lets the host die: its lease expires and the scheduler reclaims the build. */
  async lose(): Promise<void> {
    const { redis, keys, attempts } = this.#state;
    await redis.del(keys.hostLease(HOST));
    await attempts.reclaim(this.ref, { code: 'host_lost', message: 'the host was lost' }, this.#token);
    await reportHost(this.#state);
  }
}

/** Reports the host as its worker would. */
async function reportHost({ hosts }: State): Promise<void> {
  await hosts.sync(
    {
      ...{ name: HOST, slots: 100, platforms: [], labels: {}, accepting: true },
      ...{ driver: 'docker', engineVersion: '1', buildxVersion: '1' },
    },
    { machine: 'm1', incarnation: INCARNATION },
    LEASE_MS,
  );
}
