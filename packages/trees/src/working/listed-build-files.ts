import { MAX_BUILD_FILE_BYTES, NoBuildFile } from '../build-files.ts';
import { type ByteString, byteString, shownBytes } from '../merkle/byte-string.ts';
import { resolveInTree } from '../merkle/resolve.ts';
import type { Digest, DirectoryNode, Entry } from '../merkle/tree-entry.ts';
import { quoted } from '../tar-fault.ts';
import type { ListedEntry, ListedFile, Listing } from './tree-source.ts';

export interface ListedBuildFiles {
  readonly dockerfile: ListedFile;
  /** The Dockerfile's own, otherwise the context's; undefined if there is none. */
  readonly ignoreFile: ListedFile | undefined;
}

/** Does what `buildFiles` does, in a listing. @throws NoBuildFile */
export async function listedBuildFiles(listing: Listing, dockerfile: string): Promise<ListedBuildFiles> {
  const directories = new ListedDirectories(listing);
  const resolve = (path: string) => resolveInTree('' as Digest, byteString(path), directories.read);
  const fileAt = async (path: string) => {
    const found = await resolve(path);
    const entry = found.type === 'found' ? directories.entryAt(found.path) : undefined;
    return entry?.type === 'file' ? entry : undefined;
  };
  const found = await resolve(dockerfile);
  if (found.type === 'outside') {
    const link = shownBytes(found.link);
    const how = link === dockerfile ? 'a symbolic link' : `a path through the symbolic link ${quoted(link)}`;
    throw new NoBuildFile('outside', dockerfile, `${how} that leads out of the context`);
  }
  const file = await fileAt(dockerfile);
  if (!file) throw new NoBuildFile('missing', dockerfile, 'no file of this name');
  const ignoreFile = (await fileAt(`${dockerfile}.dockerignore`)) ?? (await fileAt('.dockerignore'));
  for (const each of [file, ignoreFile]) checkSize(each);
  return { dockerfile: file, ignoreFile };
}

function checkSize(file: ListedFile | undefined): void {
  if (!file || file.sizeBytes <= MAX_BUILD_FILE_BYTES) return;
  const got = `got a file of ${file.sizeBytes} bytes, expected at most ${MAX_BUILD_FILE_BYTES} bytes`;
  throw new NoBuildFile('too_large', shownBytes(file.path), got);
}

/** The directories of a listing as if they were stored, with their paths as digests. Goes through the listing once for each that is read. */
class ListedDirectories {
  readonly #listing: Listing;
  readonly #nodes = new Map<string, DirectoryNode>();
  /** Those of the directories that were read. */
  readonly #entries = new Map<ByteString, ListedEntry>();

  constructor(listing: Listing) {
    this.#listing = listing;
  }

  readonly read = async (digest: Digest): Promise<DirectoryNode> => {
    const known = this.#nodes.get(digest);
    if (known) return known;
    const prefix = (digest as string) === '' ? '' : `${digest}/`;
    const within: ListedEntry[] = [];
    for (const entry of this.#listing) {
      const { path } = entry;
      if (!path.startsWith(prefix) || path.includes('/', prefix.length)) continue;
      within.push(entry);
      this.#entries.set(path, entry);
    }
    const node: DirectoryNode = { type: 'entries', entries: within.map(stored) };
    this.#nodes.set(digest, node);
    return node;
  };

  /** Returns what was found at a path by reading. */
  entryAt(path: ByteString): ListedEntry | undefined {
    return this.#entries.get(path);
  }
}

function stored(entry: ListedEntry): Entry {
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1) as ByteString;
  switch (entry.type) {
    case 'directory':
      return { type: 'directory', name, mode: entry.mode, digest: entry.path as string as Digest };
    case 'file':
      return { type: 'file', name, mode: entry.mode, sizeBytes: entry.sizeBytes, digest: '' as Digest };
    case 'symlink':
      return { type: 'symlink', name, target: entry.target };
  }
}
