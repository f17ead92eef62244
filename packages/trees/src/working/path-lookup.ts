import type { ByteString } from '../merkle/byte-string.ts';
import type { ListedEntry } from './tree-source.ts';

/** Finds entries by path. Paths asked for in the order of the entries, as in two listings that are much alike, are found without an index. */
export class PathLookup<T extends ListedEntry> {
  readonly #entries: readonly T[];
  #next = 0;
  #index: Map<ByteString, number> | undefined;

  constructor(entries: readonly T[]) {
    this.#entries = entries;
  }

  get(path: ByteString): T | undefined {
    const at = this.positionOf(path);
    return at === undefined ? undefined : this.#entries[at];
  }

  positionOf(path: ByteString): number | undefined {
    const at = this.#entries[this.#next]?.path === path ? this.#next : this.#indexed().get(path);
    if (at !== undefined) this.#next = at + 1;
    return at;
  }

  #indexed(): Map<ByteString, number> {
    this.#index ??= new Map(this.#entries.map(({ path }, at) => [path, at]));
    return this.#index;
  }
}
