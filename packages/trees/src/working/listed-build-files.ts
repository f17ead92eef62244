import { MAX_BUILD_FILE_BYTES, NoBuildFile } from '../build-files.ts';
import { type ByteString, byteString, shownBytes } from '../merkle/byte-string.ts';
import { resolveInTree, type TreeResolution } from '../merkle/resolve.ts';
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
  const resolve = resolver(listing);
  const fileAt = async (path: string) => {
    const found = await resolve(path);
    if (found.type !== 'found') return undefined;
    return listing.find((entry): entry is ListedFile => entry.type === 'file' && entry.path === found.path);
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

/** Resolves in the listing as if it were stored, with the paths of directories as their digests. Reads only those on the way. */
function resolver(listing: Listing): (path: string) => Promise<TreeResolution> {
  const read = async (digest: string): Promise<DirectoryNode> => {
    const prefix = digest === '' ? '' : `${digest}/`;
    const within = listing.filter(({ path }) => path.startsWith(prefix) && !path.includes('/', prefix.length));
    return { type: 'entries', entries: within.map(stored) };
  };
  return (path) => resolveInTree('' as Digest, byteString(path), read);
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
