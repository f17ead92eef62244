import { type BuildRequestInput, buildRequest } from '@kiln/contracts';
import type { BuildRecord, Outcome } from '@kiln/domain';
import type { AttemptRef } from '../builds/attempt-store.ts';
import type { BuildStore } from '../builds/build-store.ts';
import { pendingBuild } from '../builds/pending-store.ts';
import type { DesiredState } from '../hosts/host-store.ts';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import type { NewBuild } from '../types.ts';
import { decisionFor } from './decision.ts';

const LEASE_MS = 600_000;
const SLOTS = 100;
const HOST = 'h1';
const INCARNATION = 'i1';

/** A pool over a real Redis, with one host that the test controls. */
export class TestPool implements AsyncDisposable {
  readonly url: string;
  readonly state: State;
  readonly #token: string;

  private constructor(url: string, state: State, token: string) {
    this.url = url;
    this.state = state;
    this.#token = token;
  }

  static async open(redisUrl: string, namespace: string, now: () => number = Date.now): Promise<TestPool> {
    const state = await openState({ redisUrl, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {}, now });
    const token = (await new Leadership(state.redis, state.keys, 'test', LEASE_MS).hold()) ?? '';
    const pool = new TestPool(redisUrl, state, token);
    await pool.joinHost();
    return pool;
  }

  joinHost(): Promise<DesiredState> {
    return this.state.hosts.sync(
      {
        ...{ name: HOST, slots: SLOTS, platforms: [], labels: {}, driver: 'docker' },
        ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
      },
      { machine: 'm1', incarnation: INCARNATION },
      LEASE_MS,
    );
  }

  /** @param builds the API process that accepts the build. Default: one that works */
  async submit(
    request: Partial<BuildRequestInput> = {},
    builds: Pick<BuildStore, 'accept'> = this.state.builds,
  ): Promise<BuildRecord> {
    return (await builds.accept(newBuild(request))).build.record;
  }

  async record(id: string): Promise<BuildRecord> {
    const build = await this.state.builds.get(id);
    if (!build) throw new Error(`build ${id} is gone`);
    return build.record;
  }

  async assign(id: string): Promise<string> {
    const build = await this.state.builds.get(id);
    if (!build) throw new Error(`build ${id} is gone`);
    const host = { name: HOST, incarnation: INCARNATION, slots: SLOTS };
    return (await this.state.pending.assign(pendingBuild(build), host, decisionFor(id, HOST), this.#token)).outcome;
  }

  /** Assigns a build and starts its attempt, which is returned. */
  async run(id: string): Promise<AttemptRef> {
    const outcome = await this.assign(id);
    if (outcome !== 'assigned') throw new Error(`build ${id} can't be assigned: ${outcome}`);
    const attempt = (await this.record(id)).attempts.length;
    const ref = { buildId: id, attempt, host: HOST, incarnation: INCARNATION };
    await this.state.attempts.start(ref);
    return ref;
  }

  settle(ref: AttemptRef, outcome: Outcome): Promise<BuildRecord> {
    return this.state.attempts.settle(ref, outcome);
  }

  /** Loses the host: its attempt is reclaimed, and a host like it joins. */
  async lose(ref: AttemptRef): Promise<void> {
    const { redis, keys, attempts } = this.state;
    await redis.del(keys.hostLease(HOST));
    await attempts.reclaim(ref, { code: 'host_lost', message: 'the host was lost' }, this.#token);
    await this.joinHost();
  }

  /** Keys that link builds to each other; none is left when all have ended. */
  async links(): Promise<string[]> {
    const { redis, keys } = this.state;
    const all = await redis.keys(`${keys.prefix}*`);
    return all.filter((key) => /:(?:concurrency|share|interest|due|pending)\b/.test(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state[Symbol.asyncDispose]();
  }
}

/** A request as the API passes it to the store. */
export function newBuild(request: Partial<BuildRequestInput>): NewBuild {
  const parsed = buildRequest.parse({ source: { type: 'upload', name: 'app' }, ...request });
  const { secrets, registryLogins: logins, ...rest } = parsed;
  const clientLogins = logins && { registries: logins.map(({ registry }) => registry) };
  return {
    repo: 'app',
    spec: { ...rest, secrets: Object.keys(secrets).sort(), ...(clientLogins && { clientLogins }) },
    secrets,
    ...(logins && { logins }),
  };
}
