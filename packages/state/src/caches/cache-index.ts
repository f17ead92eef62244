import { type HostInventory, hostInventory } from '@kiln/contracts';
import { cacheOf, cachesOf, type HostCache, type Inventory, type RepoUsage } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { readTogether } from '../redis/read-together.ts';
import type { PublishedInventory } from '../types.ts';
import { parseUsage } from './usage-store.ts';

interface KnownHost {
  readonly digest: string;
  readonly published: HostInventory;
  readonly inventory: Inventory;
  readonly caches: Map<string, HostCache>;
}

/** The inventory of a host as its own hash tells without the document: digest and time of reading. */
export type InventoryStamp = readonly [digest: string | null, readAt: string | null];

const NOTHING: ReadonlyMap<string, HostCache> = new Map();

/**
 * What every host holds of every repo, in this process's memory. Reads only what has changed: usages by their revision, a host's
 * inventory when its digest is another. A changed usage is put into the caches of all hosts at once, a changed inventory gives
 * its host new ones.
 */
export class CacheIndex {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #usages = new Map<string, RepoUsage>();
  readonly #hosts = new Map<string, KnownHost>();
  #revision = 0;
  #refreshing: Promise<void> | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Takes in what has become known of repos since; however many ask at once, it is read once. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** What a host holds, whose hash has this stamp. */
  async read(
    host: string,
    [digest, readAt]: InventoryStamp,
  ): Promise<{ caches: ReadonlyMap<string, HostCache>; inventory?: PublishedInventory }> {
    if (digest === null) {
      this.#hosts.delete(host);
      return { caches: NOTHING };
    }
    const before = this.#hosts.get(host);
    const known = before?.digest === digest ? before : await this.#load(host);
    if (!known) return { caches: NOTHING };
    return { caches: known.caches, inventory: { ...known.published, readAt: Number(readAt) } };
  }

  forget(host: string): void {
    this.#hosts.delete(host);
  }

  /** Which repos' recent builds used each cache mount. */
  mountUsers(): Map<string, string[]> {
    const users = new Map<string, string[]>();
    for (const { repo, mounts } of this.#usages.values()) {
      for (const { id } of mounts) users.set(id, [...(users.get(id) ?? []), repo]);
    }
    return users;
  }

  async #load(host: string): Promise<KnownHost | undefined> {
    const [digest, doc] = await this.#redis.hmget(this.#keys.hostInventory(host), 'digest', 'doc');
    // Of a newer version's worker: nothing is known then, rather than something wrong.
    const parsed = hostInventory.safeParse(JSON.parse(doc ?? 'null'));
    if (!digest || !parsed.success) {
      this.#hosts.delete(host);
      return undefined;
    }
    const inventory = inventoryOf(parsed.data);
    const caches = cachesOf(inventory, this.#usages.values());
    const known = { digest, published: parsed.data, inventory, caches };
    this.#hosts.set(host, known);
    return known;
  }

  async #refresh(): Promise<void> {
    const [newest, count, changed] = await readTogether<[string | null, number, string[]]>(
      this.#redis,
      ['GET', this.#keys.usagesRevision()],
      ['ZCARD', this.#keys.usagesChanged()],
      ['ZRANGEBYSCORE', this.#keys.usagesChanged(), `(${this.#revision}`, '+inf'],
    );
    const revision = Number(newest ?? 0);
    if (changed.length > 0) await this.#take(changed);
    // Forgotten ones leave no trace but their number; another Redis begins to count anew.
    if (revision < this.#revision || count < this.#usages.size) await this.#takeAll();
    this.#revision = revision;
  }

  async #take(repos: readonly string[]): Promise<void> {
    const docs = await this.#redis.hmget(this.#keys.usages(), ...repos);
    repos.forEach((repo, i) => {
      const doc = docs[i];
      if (doc) this.#put(repo, parseUsage(doc));
    });
  }

  async #takeAll(): Promise<void> {
    const all = await this.#redis.hgetall(this.#keys.usages());
    for (const repo of this.#usages.keys()) if (all[repo] === undefined) this.#put(repo, undefined);
    for (const [repo, doc] of Object.entries(all)) this.#put(repo, parseUsage(doc));
  }

  #put(repo: string, usage: RepoUsage | undefined): void {
    if (usage) this.#usages.set(repo, usage);
    else this.#usages.delete(repo);
    for (const { inventory, caches } of this.#hosts.values()) {
      const cache = usage && cacheOf(usage, inventory);
      if (cache) caches.set(repo, cache);
      else caches.delete(repo);
    }
  }
}

function inventoryOf({ sizesAreFloors, mounts, repoLayers }: HostInventory): Inventory {
  return {
    sizesAreFloors,
    mounts: new Map(mounts.map((mount) => [mount.id, mount])),
    layers: new Map(repoLayers.map((layers) => [layers.repo, layers])),
  };
}
