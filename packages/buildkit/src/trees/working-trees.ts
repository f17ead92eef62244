import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../engine/logger.ts';
import { EntryMemory } from './entry-memory.ts';
import { domainDir, type FoundPart, findOldTimes, findTrees, repoDir, timesDir } from './find-trees.ts';
import { type BroughtPart, NamedTrees } from './named-trees.ts';
import { TimeLedger } from './time-ledger.ts';
import type { BudgetedTree, TreeBudget, TreeHolder } from './tree-budget.ts';
import { keepTreeUser, takeTreeUser } from './tree-users.ts';
import { type BroughtTree, type TreeRequest, treeId, WorkingTree, type WorkingTreeDeps } from './working-tree.ts';

/** How long the times of a repo without a tree are kept, ms. */
const KEEP_TIMES_MS = 30 * 86_400_000;

export interface WorkingTreesDeps extends Pick<WorkingTreeDeps, 'tool' | 'script' | 'now'> {
  /** Directory for all trees of a builder. */
  readonly dir: string;
  /** Gives an empty directory to a user. */
  readonly owner: { give(dir: string, uid: number): Promise<string> };
  readonly budget: TreeBudget;
  readonly log: Logger;
}

/** Whose tree a build needs. */
export interface TreeOwner {
  /** Key of the isolation domain. */
  readonly domain: string;
  /** Cache key of the repo. */
  readonly repo: string;
  /** Namespace of the build's cache mounts: builds that share these share the ledger of times. */
  readonly namespace: string;
}

export type NamedRequest = Pick<TreeRequest, 'source' | 'times'>;

/** A working tree that only one build uses, until disposed of. */
export interface LeasedTree extends AsyncDisposable {
  readonly uid: number;
  readonly nodeId: string;
  /** @throws as `WorkingTree.bring` */
  bring(signal: AbortSignal): Promise<BroughtTree>;
  /**
   * Brings a named context to what the build needs, after `bring`; returns its absolute path. Targets of a build may have different contexts of one name: each has a
   * place of its own.
   * @throws as `WorkingTree.bring`
   */
  bringNamed(name: string, request: NamedRequest, signal: AbortSignal): Promise<string>;
}

/** Most entries of trees and ledgers that stay in memory, some 20 MB. */
const MAX_REMEMBERED = 80_000;

/** The working trees of a builder: several for a repo if its builds run side by side. */
export class WorkingTrees implements TreeHolder {
  readonly #deps: WorkingTreesDeps;
  readonly #treeDeps: WorkingTreeDeps;
  /** By directory of the repo, then by number. */
  readonly #repos = new Map<string, Map<number, WorkingTree>>();
  readonly #busy = new Set<WorkingTree>();
  readonly #named = new WeakMap<WorkingTree, NamedTrees>();
  /** Numbers of trees that are being made, or couldn't be removed. */
  readonly #taken = new Map<string, Set<number>>();
  readonly #ledgers = new Map<string, TimeLedger>();
  readonly #memory = new EntryMemory(MAX_REMEMBERED);

  private constructor(deps: WorkingTreesDeps, boot: string) {
    this.#deps = deps;
    const { tool, script, now, log, budget } = deps;
    const makeRoom = (tree: WorkingTree, bytes: number) => budget.makeRoom(tree, bytes);
    this.#treeDeps = { tool, script, now, log, boot, makeRoom, memory: this.#memory };
  }

  /** Finds the trees that are on the disk. Those that a killed worker left half done are removed. */
  static async open(deps: WorkingTreesDeps): Promise<WorkingTrees> {
    const trees = new WorkingTrees(deps, await bootId());
    await trees.#find();
    deps.budget.add(trees);
    return trees;
  }

  get dir(): string {
    return this.#deps.dir;
  }

  get all(): readonly WorkingTree[] {
    return [...this.#repos.values()].flatMap((trees) => [...trees.values()]);
  }

  /** Acquires a tree for a build: the one that is most like it, or a new one if all are in use. */
  async acquire(owner: TreeOwner, request: TreeRequest): Promise<LeasedTree> {
    const repo = repoDir(this.#deps.dir, owner.domain, owner.repo);
    const tree = this.#free(repo, treeId(request)) ?? (await this.#make(repo));
    this.#busy.add(tree);
    const ledger = this.#ledger(owner);
    const running = new DisposableStack();
    const parts = new Map<string, { readonly id: string } & BroughtPart>();
    return {
      uid: tree.uid,
      get nodeId() {
        return nodeOf([tree.nodeId, ...[...parts.values()].map((part) => part.nodeId)]);
      },
      bring: (signal) => tree.bring(request, ledger, running, signal),
      bringNamed: async (name, named, signal) => {
        const id = treeId(named);
        let place = name;
        // No name of a context has a space.
        for (let n = 2; parts.has(place) && parts.get(place)?.id !== id; n += 1) place = `${name} ${n}`;
        const known = parts.get(place);
        if (known) return known.path;
        const own = this.#ledger({ ...owner, namespace: `${owner.namespace} context ${place}` });
        const part = await this.#namedOf(tree).bring(place, named, own, running, signal);
        parts.set(place, { id, ...part });
        return part.path;
      },
      [Symbol.asyncDispose]: async () => {
        running.dispose();
        if (!tree.isWhole) await this.#drop(repo, tree);
        else await this.#named.get(tree)?.clean();
        this.#busy.delete(tree);
        await this.#deps.budget.trim();
      },
    };
  }

  /** Removes a tree, unless a build uses it. */
  async evict(tree: BudgetedTree): Promise<boolean> {
    for (const [repo, trees] of this.#repos)
      for (const each of trees.values()) {
        if (each !== tree || this.#busy.has(each)) continue;
        await this.#drop(repo, each);
        this.#deps.log.info({ dir: tree.dir, bytes: tree.bytes }, 'working tree removed to make room');
        return true;
      }
    return false;
  }

  /** Removes all trees of a domain, with its times. None may be in use. */
  async remove(domain: string): Promise<void> {
    const dir = domainDir(this.#deps.dir, domain);
    for (const [repo, trees] of this.#repos)
      if (repo.startsWith(`${dir}/`)) for (const tree of [...trees.values()]) await this.#drop(repo, tree);
    for (const each of this.#ledgers.keys()) if (each.startsWith(`${dir}/`)) this.#ledgers.delete(each);
    await rm(dir, { recursive: true, force: true });
  }

  /** Stops counting as a running builder's trees; they stay on the disk. */
  rest(): void {
    this.#deps.budget.rest(this);
  }

  #free(repo: string, id: string): WorkingTree | undefined {
    const free = [...(this.#repos.get(repo)?.values() ?? [])].filter((tree) => !this.#busy.has(tree));
    const found = free.find((tree) => tree.has(id)) ?? free.toSorted((a, b) => b.usedAt - a.usedAt)[0];
    // At once: the next call must not find it.
    if (found) this.#busy.add(found);
    return found;
  }

  async #make(repo: string): Promise<WorkingTree> {
    const taken = this.#taken.get(repo) ?? new Set();
    this.#taken.set(repo, taken);
    const trees = this.#repos.get(repo) ?? new Map<number, WorkingTree>();
    this.#repos.set(repo, trees);
    let number = 0;
    while (trees.has(number) || taken.has(number)) number += 1;
    taken.add(number);
    const dir = join(repo, String(number));
    await this.#makeDir(dir);
    const uid = takeTreeUser(dir);
    await this.#deps.owner.give(join(dir, 'own'), uid);
    const tree = new WorkingTree(this.#treeDeps, dir, uid, undefined, this.#deps.now());
    this.#busy.add(tree);
    trees.set(number, tree);
    taken.delete(number);
    return tree;
  }

  /** Returns the trees of a tree's named contexts. */
  #namedOf(root: WorkingTree, found: readonly FoundPart[] = []): NamedTrees {
    const place = async (dir: string, uid: number) => {
      await this.#makeDir(dir);
      await this.#deps.owner.give(join(dir, 'own'), uid);
    };
    const named = this.#named.get(root) ?? new NamedTrees({ tree: this.#treeDeps, root, place }, found);
    this.#named.set(root, named);
    root.parts = named;
    return named;
  }

  /** Users of trees may pass through to their own, but not list. Set explicitly, regardless of the umask. */
  async #makeDir(dir: string): Promise<void> {
    const own = join(dir, 'own');
    await mkdir(own, { recursive: true });
    await chmod(own, 0o700);
    let at = dir;
    while (at !== this.#deps.dir) {
      await chmod(at, 0o711);
      at = join(at, '..');
    }
  }

  #ledger({ domain, namespace }: TreeOwner): { readonly key: string; readonly times: TimeLedger } {
    const key = timesDir(this.#deps.dir, domain, namespace);
    const times = this.#ledgers.get(key) ?? new TimeLedger(key, this.#memory);
    this.#ledgers.set(key, times);
    return { key, times };
  }

  async #drop(repo: string, tree: WorkingTree): Promise<void> {
    const trees = this.#repos.get(repo);
    const taken = this.#taken.get(repo) ?? new Set();
    this.#taken.set(repo, taken);
    for (const [number, each] of trees ?? []) {
      if (each !== tree) continue;
      // Its directory isn't free before it is gone, if ever.
      taken.add(number);
      trees?.delete(number);
      try {
        await tree.remove();
        taken.delete(number);
      } catch (error) {
        this.#deps.log.warn({ err: error, dir: tree.dir }, 'a broken working tree could not be removed');
      }
    }
  }

  async #find(): Promise<void> {
    const { dir, log, now } = this.#deps;
    const all = await findTrees(dir);
    for (const times of await findOldTimes(dir, all, now() - KEEP_TIMES_MS))
      await rm(times, { recursive: true, force: true });
    for (const { dir: found, repo, number, uid = -1, head, usedAt, named } of all) {
      const tree = new WorkingTree(this.#treeDeps, found, uid, head, usedAt);
      const trees = this.#repos.get(repo) ?? new Map<number, WorkingTree>();
      this.#repos.set(repo, trees.set(number, tree));
      const parts = this.#namedOf(tree, named);
      if (head && keepTreeUser(found, uid)) {
        await parts.clean();
        continue;
      }
      log.info({ dir: found }, 'removing a working tree that was left incomplete');
      await this.#drop(repo, tree);
    }
  }
}

/** Returns the node id of a run: another one if any of its trees has another one, because buildx has only one for all. */
function nodeOf([main = '', ...named]: readonly string[]): string {
  return named.length === 0
    ? main
    : createHash('sha256')
        .update([main, ...named].join())
        .digest('hex')
        .slice(0, 24);
}

/** Identifies the machine's boot; on a system without one, this process. */
async function bootId(): Promise<string> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
  return id?.trim() ?? `${process.pid} ${performance.timeOrigin}`;
}
