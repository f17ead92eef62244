import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { runIdOf } from './server-identity.ts';

/** A write that may be lost: too few replicas have it in time, or the server that took it was replaced. */
export class NotReplicated extends Error {
  readonly code = 'not_replicated';
  readonly wanted: number;
  readonly got: number;
  constructor(wanted: number, got: number, options?: ErrorOptions) {
    super(`${got} of ${wanted} replicas have the write`, options);
    this.wanted = wanted;
    this.got = got;
  }
}

/** The server that took a write was replaced, so the write may or may not exist. */
class ServerChanged extends NotReplicated {}

export interface ReplicationOptions {
  /** Number of replicas that must have a write before it is acknowledged; 0 for none. */
  readonly minReplicas: number;
  /** How long replicas may take, ms. */
  readonly timeoutMs?: number;
}

/** How long a confirmation proves that replicas are connected, ms. */
const FRESH_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 2_000;
/** How often a write is repeated because the server that took it was replaced. */
const MAX_TRIES = 5;

interface Waiting {
  /** The server that took the write. */
  readonly runId: string | undefined;
  resolve(): void;
  reject(error: NotReplicated): void;
}

/**
 * Makes acknowledged writes survive a failover, by Redis' WAIT. WAIT blocks, so it runs on a connection of its own; writes that arrive
 * meanwhile are confirmed together by the next round. A write is only confirmed by replicas of the server that took it: after a failover
 * nothing from before is confirmed.
 */
export class Replication implements AsyncDisposable {
  readonly minReplicas: number;
  readonly #redis: Redis;
  readonly #key: string;
  readonly #timeoutMs: number;
  /** Doesn't resend commands: a WAIT that is cut off has no result. */
  readonly #asking: Redis | undefined;
  #waiting: Waiting[] = [];
  #isAsking = false;
  #confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(redis: Redis, keys: Keys, { minReplicas, timeoutMs = DEFAULT_TIMEOUT_MS }: ReplicationOptions) {
    this.minReplicas = minReplicas;
    this.#redis = redis;
    this.#key = keys.replicated();
    this.#timeoutMs = timeoutMs;
    if (minReplicas === 0) return;
    runIdOf(redis);
    this.#asking = redis.duplicate({ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 });
    this.#asking.on('error', () => {});
  }

  /**
   * Runs `write` and resolves when enough replicas have it. It must be harmless to repeat, because it is repeated if the server was replaced
   * in between.
   * @throws NotReplicated the write is on the master, and may be lost; whatever `write` throws
   */
  after<T>(write: () => Promise<T>): Promise<T> {
    return this.minReplicas === 0 ? write() : this.#confirmed(write);
  }

  async #confirmed<T>(write: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const result = await write();
      try {
        await this.#confirm();
        return result;
      } catch (error) {
        if (!(error instanceof ServerChanged) || tries === MAX_TRIES) throw error;
      }
    }
  }

  /**
   * Checks that enough replicas are connected before something is written. Returns undefined if none are required, or if they were
   * connected a moment ago. @throws NotReplicated
   */
  assertReplicas(): Promise<unknown> | undefined {
    const isFresh = performance.now() - this.#confirmedAt < FRESH_MS;
    return this.minReplicas === 0 || isFresh ? undefined : this.after(() => this.#redis.ping());
  }

  /** Waits until enough replicas have every write that the main connection has an answer to. */
  #confirm(): Promise<void> {
    // Read in the same turn as the answer to the write: a reconnect is noticed only later.
    const runId = runIdOf(this.#redis).current;
    const confirmed = Promise.withResolvers<void>();
    this.#waiting.push({ runId, resolve: confirmed.resolve, reject: confirmed.reject });
    if (!this.#isAsking) void this.#ask();
    return confirmed.promise;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const asked = this.#waiting;
      this.#waiting = [];
      try {
        const { runId, replicas } = await this.#round();
        if (replicas >= this.minReplicas) this.#confirmedAt = performance.now();
        for (const each of asked) this.#answer(each, runId, replicas);
      } catch (error) {
        await this.#reconnected();
        for (const each of asked) each.reject(new ServerChanged(this.minReplicas, 0, { cause: error }));
      }
    }
    this.#isAsking = false;
  }

  #answer({ runId, resolve, reject }: Waiting, answering: string, replicas: number): void {
    if (runId !== answering) reject(new ServerChanged(this.minReplicas, 0));
    else if (replicas < this.minReplicas) reject(new NotReplicated(this.minReplicas, replicas));
    else resolve();
  }

  /** WAIT only covers writes of its own connection, so this writes a key first, after everything that is to be confirmed. */
  async #round(): Promise<{ runId: string; replicas: number }> {
    if (!this.#asking) throw new TypeError('no replicas are required');
    const [runId, replicas] = await Promise.all([
      this.#asking.eval(WRITE_AND_SAY_WHO, 1, this.#key),
      this.#asking.wait(this.minReplicas, this.#timeoutMs),
    ]);
    return { runId: String(runId), replicas };
  }

  /** Resolves when the asking connection is ready again, or after the time-out for replicas. */
  async #reconnected(): Promise<void> {
    const asking = this.#asking;
    if (!asking || asking.status === 'ready') return;
    await once(asking, 'ready', { signal: AbortSignal.timeout(this.#timeoutMs) }).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#asking?.disconnect();
  }
}

const WRITE_AND_SAY_WHO = `#!lua flags=allow-oom\nredis.call('SET', KEYS[1], 1) return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')`;

/** Waits for no replicas. */
export const MASTER_ONLY: Pick<Replication, 'after' | 'assertReplicas'> = {
  after: (write) => write(),
  assertReplicas: () => undefined,
};
