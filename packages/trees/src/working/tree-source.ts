import type { ByteString } from '../merkle/byte-string.ts';

interface Listed {
  /** Relative to the tree. */
  readonly path: ByteString;
}

export interface ListedFile extends Listed {
  readonly type: 'file';
  readonly mode: number;
  readonly sizeBytes: number;
  /** Identifies the content: equal ids mean equal bytes. A digest, or git's name of a blob. */
  readonly contentId: string;
}

export interface ListedDirectory extends Listed {
  readonly type: 'directory';
  readonly mode: number;
  /** Identifies everything below: equal ids mean equal trees. */
  readonly contentId: string;
}

export interface ListedSymlink extends Listed {
  readonly type: 'symlink';
  readonly target: ByteString;
}

export type ListedEntry = ListedFile | ListedDirectory | ListedSymlink;

/** The entries of a tree, depth first: each directory before what is in it, the names of a directory in the order of their bytes. */
export type Listing = readonly ListedEntry[];

/** Returns the directories and links of a listing. */
export function notFilesOf(listing: Listing): Listing {
  return listing.filter(({ type }) => type !== 'file');
}

/** A file's content, whose length and digest have been checked when it ends. */
export interface FileContent {
  readonly file: ListedFile;
  readonly content: AsyncIterable<Uint8Array>;
}

/** A tree that a build needs on its host, wherever it comes from. */
export interface TreeSource {
  /** Identifies the whole tree: equal ids mean equal trees. */
  readonly id: string;
  /** Lists the tree. What has the same id in `known`, the listing of another tree of the same repo, needn't be fetched. */
  list(known: Listing, signal?: AbortSignal): Promise<Listing>;
  /**
   * Reads the content of files of the listing, after `list`, in any order; each must be read before the next. Without those of 0 bytes.
   * @throws TreePartMissing @throws TreeFault
   */
  contents(files: readonly ListedFile[], signal?: AbortSignal): AsyncIterable<FileContent>;
}
