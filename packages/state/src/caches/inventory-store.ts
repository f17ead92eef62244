import type { HostInventory } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** The worker that writes about its host. */
export interface HostWriter {
  readonly host: string;
  readonly incarnation: string;
}

const UNCHANGED = 1;
const NOT_STORED = -1;
const NOT_THE_HOST = -3;

/** Publishes the cache inventory of a worker's host. */
export class InventoryStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #published: string | undefined;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Publishes an inventory that was read at `readAt`, ms since the epoch. Publishing an unchanged one again is cheap.
   * `refused`: the host's lease is over, or another worker's.
   */
  async publish(
    writer: HostWriter,
    inventory: HostInventory,
    readAt: number,
  ): Promise<'published' | 'unchanged' | 'refused'> {
    const doc = JSON.stringify(inventory);
    const digest = keyDigest(doc);
    let code = await this.#write(writer, digest, readAt, digest === this.#published ? '' : doc);
    if (code === NOT_STORED) code = await this.#write(writer, digest, readAt, doc);
    if (code === NOT_THE_HOST) return 'refused';
    this.#published = digest;
    return code === UNCHANGED ? 'unchanged' : 'published';
  }

  async #write({ host, incarnation }: HostWriter, digest: string, readAt: number, doc: string): Promise<number> {
    return Number(
      await runScript(
        this.#redis,
        'publish-inventory',
        [this.#keys.hostInventory(host), this.#keys.hostLease(host)],
        [this.#keys.prefix, host, incarnation, digest, readAt, doc],
      ),
    );
  }
}
