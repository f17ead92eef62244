import { type HostInventory, MAX_PUBLISHED_MOUNTS } from '@kiln/contracts';
import type { HostWriter, InventoryStore } from '@kiln/state';
import type { DomainLedger } from './domain-ledger.ts';

export interface HostCachesDeps {
  readonly store: InventoryStore;
  readonly ledger: DomainLedger;
  /** Whether the domain's builder is up, so that its contents may change. */
  isUp(domain: string): boolean;
  /** Called with each reading of a domain's caches. */
  onRead?(domain: string, usedBytes: number): void;
}

/** The domain of the pool's trusted builds, which inventories don't name. */
const PLAIN = 'trusted';

/** Adds the last inventories of a host's builders up to the one inventory that the host has in the pool. A stopped builder counts with its last reading. */
export class HostCaches {
  readonly #deps: HostCachesDeps;
  #publishedAt = 0;
  /** Publishing runs one after the other, so that the last published inventory is the latest. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(deps: HostCachesDeps) {
    this.#deps = deps;
  }

  /** Returns the store for the reporter of a domain. */
  of(domain: string): Pick<InventoryStore, 'publish'> {
    return {
      publish: (writer, inventory, readAt) => {
        this.#deps.ledger.read(domain, inventory, readAt);
        const published = this.publish(writer, readAt);
        this.#deps.onRead?.(domain, inventory.usedBytes);
        return published;
      },
    };
  }

  /** Publishes what is known. @param readAt the time of the inventory, unless a running builder was read earlier, ms since the epoch */
  publish(writer: HostWriter, readAt: number): ReturnType<InventoryStore['publish']> {
    const published = this.#publishing.then(() => this.#publish(writer, readAt));
    this.#publishing = published.catch(() => undefined);
    return published;
  }

  /** When an inventory was last published, by performance.now(). */
  get publishedAt(): number {
    return this.#publishedAt;
  }

  /** Resolves when nothing is being published any more. */
  async settled(): Promise<void> {
    await this.#publishing;
  }

  async #publish(writer: HostWriter, readAt: number): ReturnType<InventoryStore['publish']> {
    const { ledger, store, isUp } = this.#deps;
    const all = [...ledger.all].flatMap(([domain, { read }]) => (read ? [{ domain, ...read }] : []));
    const oldest = Math.min(readAt, ...all.filter(({ domain }) => isUp(domain)).map((one) => one.readAt));
    // If saving fails, the caches of stopped builders are unknown after a restart, and nothing else is lost.
    await ledger.save().catch(() => undefined);
    const outcome = await store.publish(writer, addedUp(all), oldest);
    this.#publishedAt = performance.now();
    return outcome;
  }
}

function addedUp(all: readonly { readonly domain: string; readonly inventory: HostInventory }[]): HostInventory {
  const inventories = all.map(({ inventory }) => inventory);
  const sum = (of: (inventory: HostInventory) => number) => inventories.reduce((total, one) => total + of(one), 0);
  const usedByDomain = Object.fromEntries(all.map(({ domain, inventory }) => [domain, inventory.usedBytes]));
  const mounts = all
    .flatMap(({ domain, inventory }) =>
      inventory.mounts.map((mount) => (domain === PLAIN ? mount : { ...mount, domain })),
    )
    .sort((a, b) => b.lastUsedAt - a.lastUsedAt);
  return {
    sizesAreFloors: inventories.some(({ sizesAreFloors }) => sizesAreFloors),
    usedBytes: sum(({ usedBytes }) => usedBytes),
    ...(all.some(({ domain }) => domain !== PLAIN) && { usedByDomain }),
    mounts: mounts.slice(0, MAX_MOUNTS),
    mountsLeftOut: sum(({ mountsLeftOut }) => mountsLeftOut) + Math.max(0, mounts.length - MAX_MOUNTS),
    layers: { count: sum(({ layers }) => layers.count), bytes: sum(({ layers }) => layers.bytes) },
    repoLayers: inventories.flatMap(({ repoLayers }) => repoLayers),
  };
}

/** For all builders of a host together. */
const MAX_MOUNTS = 3 * MAX_PUBLISHED_MOUNTS;
