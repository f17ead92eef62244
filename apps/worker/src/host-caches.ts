import type { HostInventory } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { HostWriter, InventoryStore } from '@kiln/state';

interface Read {
  readonly inventory: HostInventory;
  /** ms since the epoch. */
  readonly readAt: number;
}

/** What the builders of a host hold, each as its reporter read it last, added up to the one inventory that a host has in the pool. */
export class HostCaches {
  readonly #store: InventoryStore;
  readonly #read = new Map<Trust, Read>();
  /** One after the other, so that what is published last is the latest. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(store: InventoryStore) {
    this.#store = store;
  }

  /** Where the reporter of a class publishes. */
  of(trust: Trust): Pick<InventoryStore, 'publish'> {
    return {
      publish: (writer, inventory, readAt) => {
        this.#read.set(trust, { inventory, readAt });
        const published = this.#publishing.then(() => this.#publish(writer));
        this.#publishing = published.catch(() => undefined);
        return published;
      },
    };
  }

  #publish(writer: HostWriter): ReturnType<InventoryStore['publish']> {
    const oldest = Math.min(...[...this.#read.values()].map(({ readAt }) => readAt));
    return this.#store.publish(writer, addedUp(this.#read), oldest);
  }
}

function addedUp(read: ReadonlyMap<Trust, Read>): HostInventory {
  const all = [...read].map(([trust, { inventory }]) => ({ trust, inventory }));
  const inventories = all.map(({ inventory }) => inventory);
  const sum = (of: (inventory: HostInventory) => number) => inventories.reduce((total, one) => total + of(one), 0);
  const usedByTrust = Object.fromEntries(all.map(({ trust, inventory }) => [trust, inventory.usedBytes]));
  return {
    sizesAreFloors: inventories.some(({ sizesAreFloors }) => sizesAreFloors),
    usedBytes: sum(({ usedBytes }) => usedBytes),
    ...(read.has('untrusted') && { usedByTrust }),
    mounts: all
      .flatMap(({ trust, inventory }) =>
        inventory.mounts.map((mount) => (trust === 'trusted' ? mount : { ...mount, trust })),
      )
      .sort((a, b) => b.lastUsedAt - a.lastUsedAt),
    mountsLeftOut: sum(({ mountsLeftOut }) => mountsLeftOut),
    layers: { count: sum(({ layers }) => layers.count), bytes: sum(({ layers }) => layers.bytes) },
    repoLayers: inventories.flatMap(({ repoLayers }) => repoLayers),
  };
}
