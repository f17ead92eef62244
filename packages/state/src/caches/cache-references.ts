import type { Trust } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Keys } from '../redis/keys.ts';

/** References that are remembered; beyond it, those that were used longest ago are forgotten, and so never deleted. */
const MAX_REFERENCES = 10_000;

const stored = z.object({
  usedAt: z.number(),
  /** The repo of the build that wrote it last, as stored secrets name repos. */
  repo: z.string(),
  trust: z.enum(['trusted', 'untrusted']),
});

/** A reference in a registry to which builds of a team have exported caches. */
export interface CacheReference extends z.output<typeof stored> {
  readonly team: string;
  readonly ref: string;
}

export interface ReferenceOwner {
  readonly team: string;
  readonly repo: string;
  readonly trust: Trust;
}

/** The references that Kiln has written caches to, with their last use, and the registries that don't delete any. */
export class CacheReferences {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Records that a build has exported caches. Repeating it changes nothing. @param at ms since the epoch */
  async wrote({ team, repo, trust }: ReferenceOwner, refs: readonly string[], at: number): Promise<void> {
    if (refs.length === 0) return;
    const doc = JSON.stringify({ usedAt: at, repo, trust });
    await this.#redis.hset(this.#keys.cacheReferences(), new Map(refs.map((ref) => [fieldOf(team, ref), doc])));
    if ((await this.#redis.hlen(this.#keys.cacheReferences())) <= MAX_REFERENCES) return;
    const old = (await this.list()).slice(0, -MAX_REFERENCES);
    if (old.length > 0)
      await this.#redis.hdel(this.#keys.cacheReferences(), ...old.map((one) => fieldOf(one.team, one.ref)));
  }

  /** Records that a build of the team has imported caches. References that Kiln hasn't written are left out. */
  async used(team: string, refs: readonly string[], at: number): Promise<void> {
    for (const ref of refs) {
      const found = await this.get(team, ref);
      if (found && found.usedAt < at) await this.wrote(found, [ref], at);
    }
  }

  async get(team: string, ref: string): Promise<CacheReference | undefined> {
    const doc = await this.#redis.hget(this.#keys.cacheReferences(), fieldOf(team, ref));
    return doc === null ? undefined : parse(fieldOf(team, ref), doc);
  }

  /** All references, that used longest ago first. */
  async list(): Promise<CacheReference[]> {
    const all = Object.entries(await this.#redis.hgetall(this.#keys.cacheReferences()));
    return all.flatMap(([field, doc]) => parse(field, doc) ?? []).sort((a, b) => a.usedAt - b.usedAt);
  }

  async forget(team: string, ref: string): Promise<void> {
    await this.#redis.hdel(this.#keys.cacheReferences(), fieldOf(team, ref));
  }

  /** Remembers that a registry deletes no manifests. */
  async refusedBy(registry: string, at: number): Promise<void> {
    await this.#redis.hset(this.#keys.cacheRegistries(), registry, at);
  }

  /** Forgets that, because the registry has deleted one. */
  async acceptedBy(registry: string): Promise<void> {
    await this.#redis.hdel(this.#keys.cacheRegistries(), registry);
  }

  /** Returns the registries that delete no manifests, with the time of the last refusal. */
  async refusing(): Promise<ReadonlyMap<string, number>> {
    const all = Object.entries(await this.#redis.hgetall(this.#keys.cacheRegistries()));
    return new Map(all.map(([registry, at]) => [registry, Number(at)]));
  }

  /** Claims the next scheduled cleaning for this process. Returns false if another one has it. */
  async claimCleaning(ttlMs: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.cacheCleaning(), '1', 'PX', ttlMs, 'NX')) === 'OK';
  }
}

/** Neither a team's name nor a reference contains a space. */
function fieldOf(team: string, ref: string): string {
  return `${team} ${ref}`;
}

function parse(field: string, doc: string): CacheReference | undefined {
  const [team = '', ref = ''] = field.split(' ');
  const parsed = stored.safeParse(JSON.parse(doc));
  return parsed.success ? { team, ref, ...parsed.data } : undefined;
}
