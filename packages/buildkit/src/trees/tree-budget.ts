import { rm } from 'node:fs/promises';
import type { Logger } from '../engine/logger.ts';
import { type FoundTree, foundBytes } from './find-trees.ts';

/** The trees of a builder that runs. */
export interface TreeHolder {
  readonly dir: string;
  readonly all: readonly BudgetedTree[];
  /** Removes a tree; returns false if it is in use. */
  evict(tree: BudgetedTree): Promise<boolean>;
}

export interface BudgetedTree {
  readonly dir: string;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly usedAt: number;
}

/** How much of the disk the working trees of a host's builders may take. The least recently used are removed first, never one that is in use. */
export class TreeBudget {
  readonly limitBytes: number;
  readonly #log: Logger;
  readonly #holders = new Set<TreeHolder>();
  /** Trees of builders that don't run, by directory. */
  readonly #asleep = new Map<string, BudgetedTree>();
  /** Trees that this process may not remove before their builder runs again. */
  readonly #stuck = new Set<string>();
  #evicting: Promise<void> = Promise.resolve();

  /** @param found trees that are on the disk already */
  constructor(limitBytes: number, found: readonly FoundTree[], log: Logger) {
    this.limitBytes = limitBytes;
    this.#log = log;
    for (const tree of found)
      this.#asleep.set(tree.dir, { dir: tree.dir, bytes: foundBytes(tree), usedAt: tree.usedAt });
  }

  /** Bytes of all trees, about. */
  get usedBytes(): number {
    return this.#all().reduce((sum, { tree }) => sum + tree.bytes, 0);
  }

  /** Counts the trees of a builder that has started. */
  add(holder: TreeHolder): void {
    this.forget(holder.dir);
    this.#holders.add(holder);
  }

  /** Goes on counting the trees of a builder that was stopped. */
  rest(holder: TreeHolder): void {
    if (!this.#holders.delete(holder)) return;
    for (const { dir, bytes, usedAt } of holder.all) this.#asleep.set(dir, { dir, bytes, usedAt });
  }

  /** Forgets trees below a directory, of which a builder has taken charge, or which are gone. */
  forget(dir: string): void {
    for (const each of [...this.#asleep.keys()].filter((path) => path.startsWith(`${dir}/`))) {
      this.#asleep.delete(each);
      this.#stuck.delete(each);
    }
  }

  /** Removes trees until `tree` may grow to `bytes`, or only trees in use are left. */
  async makeRoom(tree: BudgetedTree, bytes: number): Promise<void> {
    await this.#evict(() => this.usedBytes - tree.bytes + bytes - this.limitBytes, tree.dir);
  }

  /** Removes trees until all are within the limit, or only trees in use are left. */
  async trim(): Promise<void> {
    await this.#evict(() => this.usedBytes - this.limitBytes);
  }

  async #evict(excess: () => number, spared?: string): Promise<void> {
    this.#evicting = this.#evicting.then(async () => {
      if (excess() <= 0) return;
      const oldest = this.#all().sort((a, b) => a.tree.usedAt - b.tree.usedAt);
      for (const { tree, holder } of oldest) {
        if (excess() <= 0) return;
        if (tree.dir === spared || this.#stuck.has(tree.dir)) continue;
        try {
          if (holder) await holder.evict(tree);
          // No process of its user is left; but only root may remove another user's files.
          else await rm(tree.dir, { recursive: true, force: true });
          this.#asleep.delete(tree.dir);
        } catch (error) {
          this.#stuck.add(tree.dir);
          this.#log.warn({ err: error, dir: tree.dir }, 'a working tree could not be removed');
        }
      }
    });
    await this.#evicting;
  }

  #all(): { readonly tree: BudgetedTree; readonly holder?: TreeHolder }[] {
    const awake = [...this.#holders].flatMap((holder) => holder.all.map((tree) => ({ tree, holder })));
    return [...awake, ...[...this.#asleep.values()].map((tree) => ({ tree }))];
  }
}
