import { buildRequest, type NewHostReport } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { test as base } from 'vitest';
import type { AttemptRef } from '../builds/attempt-store.ts';
import { type AssignOutcome, pendingBuild } from '../builds/pending-store.ts';
import type { HostOperations } from '../hosts/host-operations.ts';
import type { DesiredState } from '../hosts/host-store.ts';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import type { HostState } from '../types.ts';
import { decisionFor } from './decision.ts';
import { TestRedis } from './test-redis.ts';

const LEASE_MS = 60_000;

export interface TestAssignment {
  readonly outcome: AssignOutcome['outcome'];
  readonly ref: AttemptRef;
}

/** A pool around one host, `h1`, whose worker, operator and leader are the test. */
export class HostPool implements AsyncDisposable {
  readonly state: State;
  /** The leader's fencing token. */
  readonly token: string;

  private constructor(state: State, token: string) {
    this.state = state;
    this.token = token;
  }

  static async open(redisUrl: string, namespace: string): Promise<HostPool> {
    const state = await openState({ redisUrl, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
    return new HostPool(state, (await new Leadership(state.redis, state.keys, 'me', LEASE_MS).hold()) ?? '');
  }

  get operations(): HostOperations {
    return this.state.hostOperations;
  }

  /** Reports the host, which joins or renews its lease. */
  join(incarnation = 'i1', change: Partial<NewHostReport> = {}): Promise<DesiredState> {
    const report: NewHostReport = {
      ...{ name: 'h1', slots: 2, platforms: ['linux/amd64'], labels: { disk: 'ssd', zone: 'a' }, driver: 'docker' },
      ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
      ...change,
    };
    return this.state.hosts.sync(report, { machine: 'm1', incarnation }, LEASE_MS);
  }

  async host(): Promise<HostState> {
    const found = await this.state.hosts.get('h1');
    if (!found) throw new Error('h1 is gone');
    return found;
  }

  /** Ends the host's lease, as if its worker had died. */
  async lose(): Promise<void> {
    await this.state.redis.del(this.state.keys.hostLease('h1'));
  }

  /** Number of events about the host so far. */
  async events(): Promise<number> {
    const all = await this.state.redis.xrange(this.state.keys.events(), '-', '+');
    return all.filter(([, fields]) => fields.includes('h1')).length;
  }

  /** Every key of hosts. */
  keys(): Promise<string[]> {
    return this.state.redis.keys(`${this.state.keys.prefix}host*`);
  }

  /** Assigns a new build to the host, as a leader that saw `slots` would. */
  async assign({ weight = 1, slots = 100, incarnation = 'i1' } = {}): Promise<TestAssignment> {
    const { builds, pending } = this.state;
    const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' }, weight }), secrets: [] };
    const waiting = pendingBuild((await builds.accept({ repo: 'app', spec, secrets: {} })).build);
    const decision = decisionFor(waiting.id, 'h1');
    const { outcome } = await pending.assign(waiting, { name: 'h1', incarnation, slots }, decision, this.token);
    return { outcome, ref: { buildId: waiting.id, attempt: 1, host: 'h1', incarnation } };
  }

  finish(ref: AttemptRef): Promise<BuildRecord> {
    return this.state.attempts.settle(ref, { end: 'succeeded' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state[Symbol.asyncDispose]();
  }
}

let pools = 0;

/** A test with a pool of its own, in the file's Redis. */
export const test = base.extend<{ redis: TestRedis; pool: HostPool }>({
  redis: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from this pattern
    async ({}, use) => {
      await using redis = await TestRedis.start();
      await use(redis);
    },
    { scope: 'file' },
  ],
  pool: async ({ redis }, use) => {
    await using pool = await HostPool.open(redis.url, `hosts-${++pools}`);
    await use(pool);
  },
});
