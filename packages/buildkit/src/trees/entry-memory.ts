import type { TimedEntry } from '@kiln/trees';

type Entries = readonly TimedEntry[];

/**
 * Keeps the entries of files that were written or read last, so that the next build of a repo needn't decode them, and finds most of them to be the very
 * objects that it had. The least recently used are forgotten first.
 */
export class EntryMemory {
  readonly #limit: number;
  readonly #byFile = new Map<string, Entries>();

  /** @param limit most entries to keep; each takes about 250 bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(file: string): Entries | undefined {
    const found = this.#byFile.get(file);
    if (found) this.keep(file, found);
    return found;
  }

  keep(file: string, entries: Entries): void {
    this.#byFile.delete(file);
    this.#byFile.set(file, entries);
    // A tree and its ledger often have the same ones.
    const counted = new Set<Entries>();
    let total = 0;
    for (const [each, of] of [...this.#byFile].reverse()) {
      if (!counted.has(of)) total += of.length;
      counted.add(of);
      if (total > this.#limit) this.#byFile.delete(each);
    }
  }

  forget(file: string): void {
    this.#byFile.delete(file);
  }
}
