import type { TimedEntries } from '@kiln/contracts';
import {
  type Digest,
  type DirectoryObject,
  digestOf,
  type Entry,
  encodeDirectory,
  shownBytes,
  TreeFault,
} from '@kiln/trees';
import { UsageError } from '../io/errors.ts';
import { type ContextDirectory, type ContextNode, directoriesIn, notFilesIn } from './context-tree.ts';
import { ContextChanged } from './read-errors.ts';

/** A directory object, and the directory that it describes, wholly or in part. */
export interface ContextObject {
  readonly object: DirectoryObject;
  readonly directory: ContextDirectory;
}

/** A context as the objects that it is stored as. */
export interface EncodedContext {
  /** The root's. */
  readonly digest: Digest;
  readonly objects: ContextObjects;
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
}

/** What remembers digests of directories, and looks up those of files. */
export interface KnownDirectories {
  /** Returns whether it was known. */
  putDirectory(directory: ContextDirectory, digest: Digest): boolean;
  forgetDirectories(): void;
  /** Sets the digests of the files that are immediately in a directory. */
  hashFilesOf(directory: ContextDirectory): Promise<unknown>;
}

/** The objects of a context. A directory whose digest was known is encoded only when it is asked for. */
export class ContextObjects {
  readonly #known: KnownDirectories | undefined;
  readonly #encoded = new Map<Digest, ContextObject>();
  readonly #pending = new Map<Digest, ContextDirectory>();
  /** Of encoded directories whose digest turned out to have been known. */
  readonly #unchanged = new Set<Digest>();

  constructor(known: KnownDirectories | undefined) {
    this.#known = known;
  }

  /** Returns an object that was loaded, or whose directory's digest wasn't known. */
  get(digest: Digest): ContextObject | undefined {
    return this.#encoded.get(digest);
  }

  /** @throws ContextChanged if the digest that was known isn't the directory's @throws UsageError from reading its files */
  async load(digest: Digest): Promise<ContextObject | undefined> {
    const directory = this.#encoded.has(digest) ? undefined : this.#pending.get(digest);
    if (directory) {
      await this.#known?.hashFilesOf(directory);
      if (this.#encode(directory) !== digest) {
        this.#known?.forgetDirectories();
        throw new ContextChanged(shownBytes(directory.path) || '.');
      }
    }
    return this.get(digest);
  }

  /**
   * Returns the objects of the directories that aren't as they were when their digests were remembered; none if no digest was. What remembered digests stand
   * for was mostly sent by an earlier build.
   */
  changed(): readonly ContextObject[] {
    if (this.#pending.size === 0) return [];
    return [...this.#encoded.values()].filter(
      ({ object: { digest } }) => !this.#pending.has(digest) && !this.#unchanged.has(digest),
    );
  }

  /** Adds a directory, whose directories were added before, and sets its digest. */
  add(directory: ContextDirectory): void {
    if (directory.digest !== undefined && this.#known) {
      this.#pending.set(directory.digest, directory);
      return;
    }
    directory.digest = this.#encode(directory);
    if (this.#known?.putDirectory(directory, directory.digest)) this.#unchanged.add(directory.digest);
  }

  #encode(directory: ContextDirectory): Digest {
    const encoded = objectsOf(directory, directory.children.map(entryOf));
    for (const object of encoded)
      if (!this.#encoded.has(object.digest)) this.#encoded.set(object.digest, { object, directory });
    return (encoded.at(-1) as DirectoryObject).digest;
  }
}

/**
 * Encodes a context whose files have digests, except for those in directories that have one themselves.
 * @throws UsageError for what a tree can't have, such as a name of more than 255 bytes
 */
export function encodeContext(root: ContextDirectory, known?: KnownDirectories): EncodedContext {
  const objects = new ContextObjects(known);
  let files = 0;
  let bytes = 0;
  const visit = (directory: ContextDirectory): void => {
    for (const child of directoriesIn(directory)) visit(child);
    const size = sizeOf(directory);
    files += size.files;
    bytes += size.bytes;
    objects.add(directory);
  };
  visit(root);
  return { digest: root.digest as Digest, objects, files, bytes };
}

/** Counts the files that are immediately in a directory. */
function sizeOf(directory: ContextDirectory): { readonly files: number; readonly bytes: number } {
  const { packed } = directory;
  if (packed && !packed.isOpened) return { files: packed.files, bytes: packed.sizeBytes };
  const files = directory.children.filter((child) => child.type === 'file');
  return { files: files.length, bytes: files.reduce((sum, { state }) => sum + state.sizeBytes, 0) };
}

function entryOf(node: ContextNode): Entry {
  const { type, name } = node;
  switch (type) {
    case 'file':
      return { type, name, mode: node.mode, sizeBytes: node.state.sizeBytes, digest: digestOfNode(node) };
    case 'symlink':
      return { type, name, target: node.target };
    case 'directory':
      return { type, name, mode: node.mode, digest: digestOfNode(node) };
  }
}

function digestOfNode({ name, digest }: Exclude<ContextNode, { readonly type: 'symlink' }>): Digest {
  if (digest === undefined) throw new Error(`no digest of ${shownBytes(name)}`);
  return digest;
}

function objectsOf(directory: ContextDirectory, entries: readonly Entry[]): readonly DirectoryObject[] {
  try {
    return encodeDirectory(entries);
  } catch (error) {
    if (!(error instanceof TreeFault)) throw error;
    const where = [
      ...(directory.path === '' ? [] : [shownBytes(directory.path)]),
      ...(error.path === undefined ? [] : [error.path]),
    ];
    throw new UsageError(
      `${JSON.stringify(where.join('/') || '.')}: got ${error.got}, expected ${error.expected}; add it to .dockerignore if the build doesn't need it`,
    );
  }
}

const TIME_BYTES = 8;
const LATEST = 2n ** 63n - 1n;

/**
 * Returns the file that says when each entry was last modified: ns since the epoch, 8 bytes each, big-endian and signed, of each directory
 * before its contents, which are in the order of their names' bytes. Times after the year 2262 become the last that there is room for.
 */
export function timesOf(
  root: ContextDirectory,
  which: TimedEntries,
): { readonly digest: Digest; readonly bytes: Buffer } {
  const times: bigint[] = [];
  const visit = (directory: ContextDirectory): void => {
    for (const child of which === 'all' ? directory.children : notFilesIn(directory)) {
      times.push(child.type === 'file' ? child.state.mtimeNs : child.mtimeNs);
      if (child.type === 'directory') visit(child);
    }
  };
  visit(root);
  const bytes = Buffer.allocUnsafe(times.length * TIME_BYTES);
  times.forEach((time, i) => {
    bytes.writeBigInt64BE(time > LATEST ? LATEST : time, i * TIME_BYTES);
  });
  return { digest: digestOf(bytes), bytes };
}
