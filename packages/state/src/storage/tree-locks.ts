import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** How long a lock outlives the process that holds it, ms. */
const TTL_MS = 15_000;
const RETRY_MS = 25;
/** How long to wait for other processes, ms: each holds a lock for a moment only. */
const PATIENCE_MS = 30_000;

/** Other processes held the lock of a team's trees for too long. */
export class TreesLocked extends Error {
  readonly code = 'trees_locked';

  constructor(team: string) {
    super(`the trees of team ${team} are locked by another process`);
  }
}

/** Lets one process at a time delete, or replace, old objects of a team's trees. */
export class TreeLocks {
  readonly #redis: Redis;
  readonly #keys: Keys;
  /** The last one in each team's queue of this process. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Runs `work` while no other caller, in this process or another, does so for the team. @throws TreesLocked @throws what `work` throws */
  exclusively<T>(team: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(team) ?? Promise.resolve();
    const done = before.then(() => this.#locked(team, work));
    const settled = done.then(
      () => {},
      () => {},
    );
    this.#queues.set(team, settled);
    void settled.then(() => {
      if (this.#queues.get(team) === settled) this.#queues.delete(team);
    });
    return done;
  }

  async #locked<T>(team: string, work: () => Promise<T>): Promise<T> {
    const key = this.#keys.treeLock(team);
    const holder = randomUUID();
    const hold = async () => (await runScript(this.#redis, 'hold-lock', [key], [holder, TTL_MS])) === 1;
    for (const end = performance.now() + PATIENCE_MS; !(await hold()); ) {
      if (performance.now() > end) throw new TreesLocked(team);
      await delay(RETRY_MS);
    }
    const renewal = setInterval(() => void hold().catch(() => {}), TTL_MS / 3);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      // If this fails, the lock expires.
      await runScript(this.#redis, 'release-lock', [key], [holder]).catch(() => {});
    }
  }
}
