import type { CheckedOut, CommitFile, GitEntry, MirroredCommit } from '@kiln/git';
import {
  type ByteString,
  type FileContent,
  isSameEntry,
  type ListedEntry,
  type ListedFile,
  type Listing,
  PathLookup,
  type TreeSource,
} from '@kiln/trees';

/** Modes of a checkout, regardless of this process's umask. */
const MODES = { file: 0o644, executable: 0o755, directory: 0o755 } as const;

/** A directory of a commit as the tree that a host builds from. Dispose of it after use. */
export class CommitTree implements TreeSource, AsyncDisposable {
  readonly id: string;
  readonly #commit: MirroredCommit;
  readonly #listing: Listing;
  readonly #entries: ReadonlyMap<string, GitEntry>;
  /** Files that attributes change, as they are checked out. */
  readonly #checkedOut: CheckedOut[] = [];
  readonly #stack = new AsyncDisposableStack();

  private constructor(id: string, commit: MirroredCommit, listing: Listing, entries: ReadonlyMap<string, GitEntry>) {
    this.id = id;
    this.#commit = commit;
    this.#listing = listing;
    this.#entries = entries;
  }

  /** @returns undefined if the commit has no such directory; or why it can't be such a tree */
  static async of(
    commit: MirroredCommit,
    subdir: string,
  ): Promise<CommitTree | { readonly instead: string } | undefined> {
    const below = commit.below(subdir);
    if (!below) return undefined;
    const { attributes } = commit;
    // The same blob is checked out as something else with other attributes, which depend on its path in the commit, too.
    const suffix = attributes === undefined ? '' : `:${attributes}${subdir === '' ? '' : `:${subdir}`}`;
    const contentId = (id: string) => `git:${id}${suffix}`;
    const links = below.flatMap(({ entry }) => (entry.type === 'symlink' ? [entry.id] : []));
    const targets = await commit.linkTargets(links);
    if ('oddBytes' in targets) return { instead: `it has a link with a target of ${targets.oddBytes} bytes` };
    const listing = below.map(({ path: name, entry: { type, id } }): ListedEntry => {
      const path = name as ByteString;
      if (type === 'symlink') return { type, path, target: (targets.get(id) ?? '') as ByteString };
      if (type === 'file' || type === 'executable')
        return { type: 'file', path, mode: MODES[type], sizeBytes: 0, contentId: contentId(id) };
      return { type: 'directory', path, mode: MODES.directory, contentId: contentId(id) };
    });
    const entries = new Map(below.map(({ path, entry }) => [path, entry]));
    return new CommitTree(`git:${commit.commit}:${subdir}`, commit, listing, entries);
  }

  /** Without sizes. */
  get listing(): Listing {
    return this.#listing;
  }

  async list(known: Listing): Promise<Listing> {
    const lookup = new PathLookup(known);
    // The known entry itself where it is the same, so that later comparisons find that at once.
    const listing = this.#listing.map((entry) => {
      const old = lookup.get(entry.path);
      return old && isSameEntry(old, entry) ? old : entry;
    });
    const fresh = listing.filter(
      (entry, i): entry is ListedFile => entry.type === 'file' && entry === this.#listing[i],
    );
    if (fresh.length === 0) return listing;
    const unsized = new Set<ListedEntry>(fresh);
    const sizes = await this.#sizesOf(this.#gitEntries(fresh));
    return listing.map((entry) =>
      unsized.has(entry) ? { ...entry, sizeBytes: sizes.get(this.#gitPath(entry)) ?? 0 } : entry,
    );
  }

  /** Returns sizes by path in the commit. What attributes make of a file shows only when it is checked out. */
  async #sizesOf(entries: readonly GitEntry[]): Promise<ReadonlyMap<string, number>> {
    if (this.#commit.attributes !== undefined) return (await this.#checkOut(entries)).sizes;
    const sizes = await this.#commit.sizes(entries.map(({ id }) => id));
    return new Map(entries.map(({ path, id }) => [path, sizes.get(id) ?? 0]));
  }

  async *contents(files: readonly ListedFile[]): AsyncGenerator<FileContent> {
    const byPath = new Map(files.map((file) => [this.#gitPath(file), file]));
    for await (const { entry, content } of this.#read(files)) {
      const file = byPath.get(entry.path);
      if (file) yield { file, content };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async *#read(files: readonly ListedFile[]): AsyncGenerator<CommitFile> {
    const entries = this.#gitEntries(files);
    if (this.#commit.attributes === undefined) {
      yield* this.#commit.contents(entries);
      return;
    }
    let left = entries;
    for (const out of this.#checkedOut) {
      yield* out.contents(left.filter(({ path }) => out.sizes.has(path)));
      left = left.filter(({ path }) => !out.sizes.has(path));
    }
    if (left.length === 0) return;
    const out = await this.#checkOut(left);
    yield* out.contents(left);
  }

  async #checkOut(entries: readonly GitEntry[]): Promise<CheckedOut> {
    const out = this.#stack.use(await this.#commit.checkOut(entries));
    this.#checkedOut.push(out);
    return out;
  }

  #gitEntries(listed: Listing): GitEntry[] {
    return listed.flatMap(({ path }) => this.#entries.get(path) ?? []);
  }

  /** The path in the commit, not in the directory of it that is built. */
  #gitPath({ path }: ListedEntry): string {
    return this.#entries.get(path)?.path ?? path;
  }
}
