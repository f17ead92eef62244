import { checkLength, entryPath, parentOf } from './entry-path.ts';
import type { EntryType } from './header-guard.ts';
import { quoted, TarFault } from './tar-fault.ts';

/** Linux's limit of links in a path. */
const MAX_HOPS = 40;

/** A node of a tree. A hard link is a node of the type that it links to. */
export interface TreeNode {
  readonly type: 'file' | 'directory' | 'symlink';
  /** Only of a symbolic link. */
  readonly target?: string;
}

export interface NamedEntry {
  readonly type: EntryType;
  /** The name in the archive, not normalised. */
  readonly name: string;
  readonly target: string;
}

/** Where a path leads, or why to nothing. */
export type Resolution =
  | { readonly type: 'found'; readonly path: string; readonly node: TreeNode }
  | { readonly type: 'missing' }
  /** `link` is the symbolic link that leads out of the tree. */
  | { readonly type: 'outside'; readonly link: string };

const DIRECTORY: TreeNode = { type: 'directory' };

/**
 * The tree that an archive's entries make, each of which is checked when it is added: none is outside of the tree, below a file or a symbolic link, or
 * of two types. Symbolic links may lead anywhere: they are kept as they are, and never followed out of the tree.
 */
export class EntryTree {
  readonly #maxEntries: number;
  readonly #nodes = new Map<string, TreeNode>();

  constructor(maxEntries = Number.POSITIVE_INFINITY) {
    this.#maxEntries = maxEntries;
  }

  /** Number of nodes, including directories without an entry of their own. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Adds an entry; returns its normalised path, and that of a hard link's target. @throws TarFault */
  add({ name, type, target }: NamedEntry): { readonly path: string; readonly linked?: string } {
    const path = entryPath(name, name, 'a name');
    if (path === '') {
      if (type !== 'directory') throw new TarFault(`a ${type} as the root`, 'a directory', name);
      return { path };
    }
    this.#addParents(name, path);
    if (type !== 'hardlink') {
      if (type === 'symlink') checkLength(name, target, 'a target');
      this.#set(name, path, type === 'symlink' ? { type, target } : { type });
      return { path };
    }
    const linked = entryPath(name, target, 'a hard link to');
    const node = this.#nodes.get(linked);
    if (!node || node.type === 'directory' || linked === path)
      throw new TarFault(`a hard link to ${quoted(target)}`, 'one to a file that the archive has before it', name);
    this.#set(name, path, node);
    return { path, linked };
  }

  /** Yields all nodes except the root, by path. */
  nodes(): IterableIterator<[string, TreeNode]> {
    return this.#nodes.entries();
  }

  get(path: string): TreeNode | undefined {
    return path === '' ? DIRECTORY : this.#nodes.get(path);
  }

  /** Resolves `path`, relative to the tree, through links like a file system. A cycle of links is `missing`. */
  resolve(path: string): Resolution {
    const todo = path.split('/');
    if (path.startsWith('/')) return { type: 'missing' };
    let at: string[] = [];
    // A path that climbs out itself is reported as the link.
    let link = path;
    let hops = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (at.pop() === undefined) return { type: 'outside', link };
        continue;
      }
      const here = [...at, part].join('/');
      const node = this.#nodes.get(here);
      if (!node) return { type: 'missing' };
      if (node.type === 'file' && todo.length > 0) return { type: 'missing' };
      if (node.target === undefined) {
        at = [...at, part];
        continue;
      }
      hops += 1;
      if (hops > MAX_HOPS) return { type: 'missing' };
      link = here;
      if (node.target.startsWith('/')) return { type: 'outside', link };
      todo.unshift(...node.target.split('/'));
    }
    const found = at.join('/');
    const node = this.get(found);
    return node ? { type: 'found', path: found, node } : { type: 'missing' };
  }

  #addParents(name: string, path: string): void {
    const missing: string[] = [];
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      const node = this.#nodes.get(parent);
      if (node && node.type !== 'directory')
        throw new TarFault(`an entry below the ${wordFor(node)} ${quoted(parent)}`, 'entries below directories', name);
      if (node) break;
      missing.push(parent);
    }
    for (const parent of missing.reverse()) this.#set(name, parent, DIRECTORY);
  }

  #set(name: string, path: string, node: TreeNode): void {
    const before = this.#nodes.get(path);
    if (before && before.type !== node.type)
      throw new TarFault(`both a ${wordFor(before)} and a ${wordFor(node)} of this name`, 'one', name);
    this.#nodes.set(path, node);
    if (this.#nodes.size > this.#maxEntries)
      throw new TarFault(`more than ${this.#maxEntries} entries`, `at most ${this.#maxEntries} entries`, name);
  }
}

function wordFor({ type }: TreeNode): string {
  return type === 'symlink' ? 'symbolic link' : type;
}
