import { learnedPool, learnedRepo } from '@kiln/contracts';
import { type ExpectedRuns, expectedRuns, FIRST_GUESS, type LearnedPool, type LearnedRepo } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** Far more repos than a pool builds at a time. Beyond it, those that changed longest ago are removed. */
const MAX_REPOS = 10_000;
const NOT_LEADER = -4;

export interface Learned {
  /** Undefined if the pool has learned nothing yet. */
  readonly pool: LearnedPool | undefined;
  readonly repos: ReadonlyMap<string, LearnedRepo>;
}

/** What placement has learned about the pool's builds, stored so that the next leader continues from it. */
export class LearnedStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #maxRepos: number;

  constructor(redis: Redis, keys: Keys, now: () => number = Date.now, maxRepos = MAX_REPOS) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
    this.#maxRepos = maxRepos;
  }

  /** Reads everything that was learned. Values that this version can't read count as unknown and are learned again. */
  async load(): Promise<Learned> {
    const [pool, repos] = await Promise.all([
      this.#redis.get(this.#keys.learnedPool()),
      this.#redis.hgetall(this.#keys.learnedRepos()),
    ]);
    return {
      pool: pool === null ? undefined : read(learnedPool, pool),
      repos: new Map(
        Object.entries(repos).flatMap(([name, doc]) => {
          const repo = read(learnedRepo, doc);
          return repo ? [[name, repo] as const] : [];
        }),
      ),
    };
  }

  /** Returns how much longer a repo's builds are expected to run without their caches than with them, ms. */
  async savedByCaches(repo: string): Promise<number> {
    const { cold, warm } = (await this.#expected(repo)).runs;
    return cold - warm;
  }

  /** Returns how long a repo's builds are expected to run, ms; undefined if nothing was learned of it yet. */
  async expected(repo: string): Promise<ExpectedRuns | undefined> {
    const { runs, isKnown } = await this.#expected(repo);
    return isKnown ? runs : undefined;
  }

  async #expected(repo: string): Promise<{ readonly runs: ExpectedRuns; readonly isKnown: boolean }> {
    const [pool, known] = await Promise.all([
      this.#redis.get(this.#keys.learnedPool()),
      this.#redis.hget(this.#keys.learnedRepos(), repo),
    ]);
    const { estimate = FIRST_GUESS } = (pool === null ? undefined : read(learnedPool, pool)) ?? {};
    const learned = known === null ? undefined : read(learnedRepo, known)?.estimate;
    const isKnown = learned?.cold !== undefined || learned?.stale !== undefined || learned?.warm !== undefined;
    return { runs: expectedRuns(learned ?? {}, estimate), isKnown };
  }

  /** Stores what the leader with `fencingToken` has learned. `not_leader`: there is a newer leader. */
  async save(
    pool: LearnedPool,
    repos: Iterable<readonly [string, LearnedRepo]>,
    fencingToken: string,
  ): Promise<'saved' | 'not_leader'> {
    const code = await runScript(
      this.#redis,
      'save-learned',
      [this.#keys.leaderToken(), this.#keys.learnedPool(), this.#keys.learnedRepos(), this.#keys.learnedAt()],
      [
        fencingToken,
        JSON.stringify(pool),
        this.#now(),
        this.#maxRepos,
        ...[...repos].flatMap(([name, repo]) => [name, JSON.stringify(repo)]),
      ],
    );
    return code === NOT_LEADER ? 'not_leader' : 'saved';
  }
}

function read<S extends z.ZodType>(schema: S, doc: string): z.output<S> | undefined {
  try {
    return schema.safeParse(JSON.parse(doc)).data;
  } catch {
    return undefined;
  }
}
