import { CACHE_MODES } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** Repos of a team that can have a default. */
const MAX_REPOS = 1_000;

const stored = z.object({ mode: z.enum(CACHE_MODES), setAt: z.number(), setBy: z.string() });

/** The cache mode of a repo's builds whose requests name none. `setAt` in ms since the epoch. */
export interface ModeDefault extends z.output<typeof stored> {
  /** As in the affinity key of builds, with or without subdirectory and Dockerfile. */
  readonly repo: string;
}

/** A team has reached its limit of repos with a default cache mode. */
export class TooManyModeDefaults extends Error {
  readonly code = 'too_many_mode_defaults';
  readonly most = MAX_REPOS;
  constructor() {
    super(`at most ${MAX_REPOS} repos of a team may have a default cache mode`);
  }
}

/** The default cache modes of each team's repos. */
export class ModeDefaults {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Sets a repo's default. Repeating it changes nothing. @throws TooManyModeDefaults */
  async set(team: string, { repo, ...rest }: ModeDefault): Promise<void> {
    await this.#write(team, repo, JSON.stringify(rest));
  }

  /** Removes a repo's default, if it has one. */
  async remove(team: string, repo: string): Promise<void> {
    await this.#write(team, repo, '');
  }

  /** Returns the default of the first of these repos that has one. */
  async first(team: string, repos: readonly string[]): Promise<ModeDefault | undefined> {
    const docs = await this.#redis.hmget(this.#keys.cacheModes(team), ...repos);
    const at = docs.findIndex((doc) => doc !== null);
    return at < 0 ? undefined : parse(repos[at] ?? '', docs[at] ?? '');
  }

  /** Reads all defaults of a team, sorted by repo. */
  async list(team: string): Promise<ModeDefault[]> {
    const all = Object.entries(await this.#redis.hgetall(this.#keys.cacheModes(team)));
    return all.flatMap(([repo, doc]) => parse(repo, doc) ?? []).sort((a, b) => (a.repo < b.repo ? -1 : 1));
  }

  async #write(team: string, repo: string, doc: string): Promise<void> {
    const answer = await runScript(
      this.#redis,
      'set-cache-mode',
      [this.#keys.cacheModes(team)],
      [repo, doc, MAX_REPOS],
    );
    if (Number(answer) < 0) throw new TooManyModeDefaults();
  }
}

/** Undefined for a mode that only a newer version knows. */
function parse(repo: string, doc: string): ModeDefault | undefined {
  const parsed = stored.safeParse(JSON.parse(doc));
  return parsed.success ? { repo, ...parsed.data } : undefined;
}
