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

/** Digest and time of reading of a host's inventory, without the document. */
export type InventoryStamp = readonly [digest: string | null, readAt: string | null];

const NOTHING: ReadonlyMap<string, HostCache> = new Map();

/**
 * The caches of every repo on every host, in memory. Reads only changes: usages by their revision, and a host's inventory when its digest
 * has changed. A changed usage updates the caches of all hosts at once; a changed inventory replaces those of its host.
 */
export class CacheIndex {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #usages = new Map<string, RepoUsage>();
  readonly #hosts = new Map<string, KnownHost>();
  #revision = 0;
  #reading: Promise<void> = Promise.resolve();
  /** The read that begins when `#reading` has ended. */
  #next: Promise<void> | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Reads usages that have changed since the last call. Concurrent callers share a read, but none shares one that began before its call:
   * such a read may miss what the caller has just heard of.
   */
  refresh(): Promise<void> {
    this.#next ??= this.#afterReading();
    return this.#next;
  }

  /** Returns the caches and the inventory of a host whose inventory has this stamp. */
  async read(
    host: string,
    [digest, readAt]: InventoryStamp,
  ): Promise<{ caches: ReadonlyMap<string, HostCache>; inventory?: PublishedInventory; inventoryDigest?: string }> {
    if (digest === null) {
      this.#hosts.delete(host);
      return { caches: NOTHING };
    }
    const before = this.#hosts.get(host);
    const known = before?.digest === digest ? before : await this.#load(host);
    if (!known) return { caches: NOTHING, inventoryDigest: digest };
    const inventory = { ...known.published, readAt: Number(readAt) };
    return { caches: known.caches, inventory, inventoryDigest: known.digest };
  }

  forget(host: string): void {
    this.#hosts.delete(host);
  }

  /** Returns the repos whose recent builds used each cache mount. */
  mountUsers(): Map<string, string[]> {
    const users = new Map<string, string[]>();
    for (const { repo, mounts } of this.#usages.values()) {
      for (const { id } of mounts) users.set(id, [...(users.get(id) ?? []), repo]);
    }
    return users;
  }

  async #load(host: string): Promise<KnownHost | undefined> {
    const [digest, doc] = await this.#redis.hmget(this.#keys.hostInventory(host), 'digest', 'doc');
    // An inventory of a newer version counts as unknown.
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

  async #afterReading(): Promise<void> {
    await this.#reading.catch(() => undefined);
    this.#next = undefined;
    this.#reading = this.#refresh();
    await this.#reading;
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
    // Removed usages show only in their number, and another Redis may count revisions from the start.
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
