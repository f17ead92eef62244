import { learnedPool, learnedRepo } from '@kiln/contracts';
import { expectedRuns, FIRST_GUESS, type LearnedPool, type LearnedRepo } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** Far more than a pool builds at a time; of repos beyond it, those built longest ago are forgotten. */
const MAX_REPOS = 10_000;
const NOT_LEADER = -4;

export interface Learned {
  /** Undefined in a pool that has learned nothing yet. */
  readonly pool: LearnedPool | undefined;
  readonly repos: ReadonlyMap<string, LearnedRepo>;
}

/** What placement has learned of the pool's builds: kept here, so that the next leader begins where the last one stood. */
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

  /** What this version can't read counts as unknown: it is learned again. */
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

  /** How much longer a repo's build is expected to run without its caches than with them, ms, as far as the pool knows. */
  async savedByCaches(repo: string): Promise<number> {
    const [pool, known] = await Promise.all([
      this.#redis.get(this.#keys.learnedPool()),
      this.#redis.hget(this.#keys.learnedRepos(), repo),
    ]);
    const { estimate = FIRST_GUESS } = (pool === null ? undefined : read(learnedPool, pool)) ?? {};
    const { cold, warm } = expectedRuns(
      (known === null ? undefined : read(learnedRepo, known))?.estimate ?? {},
      estimate,
    );
    return cold - warm;
  }

  /** In the name of the leader with `fencingToken`. `not_leader`: a newer one keeps its own. */
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
