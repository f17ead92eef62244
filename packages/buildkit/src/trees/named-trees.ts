import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FoundPart } from './find-trees.ts';
import type { TimeLedger } from './time-ledger.ts';
import { type TreeParts, type TreeRequest, WorkingTree, type WorkingTreeDeps } from './working-tree.ts';

/** How long a named context that no build of the tree names any more is kept, ms. */
const KEEP_UNUSED_MS = 7 * 86_400_000;

export interface NamedTreesDeps {
  readonly tree: WorkingTreeDeps;
  /** The tree of the builds' main context. */
  readonly root: WorkingTree;
  /** Makes `<dir>/own` for the tree's user. */
  place(dir: string, uid: number): Promise<void>;
}

/** A named context as a build needs it. */
export interface BroughtPart {
  /** Absolute path. */
  readonly path: string;
  /** Changes with the path's content if BuildKit couldn't see the change. */
  readonly nodeId: string;
}

/**
 * The named contexts of a working tree's builds: each is a working tree in `<dir>/named/<name>` of the main one. It has the same user, because a run has only one, and is
 * used, counted and removed together with it.
 */
export class NamedTrees implements TreeParts {
  readonly #deps: NamedTreesDeps;
  readonly #treeDeps: WorkingTreeDeps;
  readonly #parts = new Map<string, WorkingTree>();

  /** @param found parts that are on the disk; those left half done are removed by `clean` */
  constructor(deps: NamedTreesDeps, found: readonly FoundPart[] = []) {
    this.#deps = deps;
    const { tree, root } = deps;
    const makeRoom = (part: WorkingTree, bytes: number) => tree.makeRoom(root, root.bytes - part.bytes + bytes);
    this.#treeDeps = { ...tree, makeRoom };
    for (const { dir, head, usedAt } of found)
      this.#parts.set(dir, new WorkingTree(this.#treeDeps, dir, root.uid, head, usedAt));
  }

  get bytes(): number {
    return [...this.#parts.values()].reduce((sum, part) => sum + part.bytes, 0);
  }

  /** Makes the tree of a named context what a build needs. @throws as `WorkingTree.bring` */
  async bring(
    name: string,
    request: Omit<TreeRequest, 'dockerfile'>,
    ledger: { readonly key: string; readonly times: TimeLedger },
    running: DisposableStack,
    signal: AbortSignal,
  ): Promise<BroughtPart> {
    const { root, place, tree } = this.#deps;
    const dir = join(root.dir, 'named', createHash('sha256').update(name).digest('hex').slice(0, 32));
    if (!this.#parts.has(dir)) await place(dir, root.uid);
    const part = this.#parts.get(dir) ?? new WorkingTree(this.#treeDeps, dir, root.uid, undefined, tree.now());
    this.#parts.set(dir, part);
    try {
      const { path } = await part.bring({ ...request, dockerfile: undefined }, ledger, running, signal);
      return { path, nodeId: part.nodeId };
    } finally {
      if (!part.isWhole) await this.#drop(dir, part);
    }
  }

  /** Removes what a killed worker left half done, and what has not been used for long. No build may use the tree. */
  async clean(): Promise<void> {
    const oldest = this.#deps.tree.now() - KEEP_UNUSED_MS;
    for (const [dir, part] of this.#parts) if (!part.isWhole || part.usedAt < oldest) await this.#drop(dir, part);
  }

  async remove(): Promise<void> {
    for (const [dir, part] of this.#parts) {
      await part.remove();
      this.#parts.delete(dir);
    }
  }

  async #drop(dir: string, part: WorkingTree): Promise<void> {
    try {
      await part.remove();
      this.#parts.delete(dir);
    } catch (error) {
      // It has no record any more, so it is written as a whole before it is used again.
      this.#deps.tree.log.warn({ err: error, dir }, 'a broken working tree of a named context could not be removed');
    }
  }
}
