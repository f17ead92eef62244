import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { runIdOf } from './server-identity.ts';

/** A write that could be lost: too few replicas had it in time, or the server that took it isn't the one that answers now. */
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

/** The server that took a write is no longer the one that answers: whether the write is there must be seen. */
class ServerChanged extends NotReplicated {}

export interface ReplicationOptions {
  /** Replicas that must have a write before it counts; 0: the master's word is enough. */
  readonly minReplicas: number;
  /** How long replicas may take, ms. */
  readonly timeoutMs?: number;
}

/** A confirmation so recent says that replicas are there, ms. */
const FRESH_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 2_000;
/** How often a write is repeated because the server that took it was replaced. */
const MAX_TRIES = 5;

interface Waiting {
  /** The server that answered what is to be confirmed. */
  readonly runId: string | undefined;
  resolve(): void;
  reject(error: NotReplicated): void;
}

/**
 * Sees to it that what is acknowledged survives a failover, by Redis' WAIT. A connection of its own asks, because WAIT blocks the
 * connection; writes that are done meanwhile are confirmed together by the next round. What one server has taken is confirmed by its own
 * replicas only: a master that was replaced in between confirms nothing.
 */
export class Replication implements AsyncDisposable {
  readonly minReplicas: number;
  readonly #redis: Redis;
  readonly #key: string;
  readonly #timeoutMs: number;
  /** Repeats nothing by itself: a question that is cut off has no answer. */
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
   * Carries `write` out, and resolves when enough replicas have what it wrote. It must be harmless to repeat: where the server changed in
   * between it is.
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
   * Rejects where replicas are missing, before anything is written that couldn't be confirmed; undefined where nothing is asked of them,
   * or they were there a moment ago. @throws NotReplicated
   */
  assertReplicas(): Promise<unknown> | undefined {
    const isFresh = performance.now() - this.#confirmedAt < FRESH_MS;
    return this.minReplicas === 0 || isFresh ? undefined : this.after(() => this.#redis.ping());
  }

  /** Waits until enough replicas have all that this process' main connection has been answered. */
  #confirm(): Promise<void> {
    // Taken down in the same turn as the answer that is to be confirmed: a connection that is made anew is noticed later than that.
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

  /** A write of the asking connection's own, after all that is to be confirmed: WAIT waits for what its connection has written. */
  async #round(): Promise<{ runId: string; replicas: number }> {
    if (!this.#asking) throw new TypeError('no replicas are asked for');
    const [runId, replicas] = await Promise.all([
      this.#asking.eval(WRITE_AND_SAY_WHO, 1, this.#key),
      this.#asking.wait(this.minReplicas, this.#timeoutMs),
    ]);
    return { runId: String(runId), replicas };
  }

  /** Resolves when the asking connection is there again, or after the time that replicas have. */
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

/** Where nothing is asked of replicas. */
export const MASTER_ONLY: Pick<Replication, 'after' | 'assertReplicas'> = {
  after: (write) => write(),
  assertReplicas: () => undefined,
};
