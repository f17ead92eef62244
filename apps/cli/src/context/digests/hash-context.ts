import { hash } from 'node:crypto';
import { type ByteString, joinBytes } from '@kiln/trees';
import { type ContextDirectory, type ContextFile, directoriesIn } from '../context-tree.ts';
import { ContextChanged, cannotRead } from '../read-errors.ts';
import type { SystemPath } from '../system-path.ts';
import type { DigestCache } from './digest-cache.ts';
import { type HashFilesOptions, hashFiles } from './hash-files.ts';

/** A file whose content has to be read. */
interface Unread {
  readonly key: ByteString;
  readonly file: ContextFile;
  readonly path: SystemPath;
  readonly sizeBytes: number;
}

/**
 * Sets the digest of every directory that the cache has, and of every file in the others: from the cache, or by reading the file, whose mode and state are
 * set again then. Returns the number of files that were read. @throws ContextChanged @throws UsageError for a file that can't be read
 */
export async function hashContext(
  root: ContextDirectory,
  cache: DigestCache,
  options: HashFilesOptions = {},
): Promise<number> {
  const changed: ContextDirectory[] = [];
  const visit = (directory: ContextDirectory): void => {
    for (const child of directoriesIn(directory)) visit(child);
    directory.digest = cache.findDirectory(directory);
    if (directory.digest === undefined) changed.push(directory);
  };
  visit(root);
  return hashDirectories(changed, cache, options);
}

/** Does the same for the files that are immediately in these directories. */
export async function hashDirectories(
  directories: readonly ContextDirectory[],
  cache: DigestCache,
  options: HashFilesOptions = {},
): Promise<number> {
  const unread: Unread[] = [];
  for (const { path: base, children } of directories) {
    for (const file of children) {
      if (file.type !== 'file' || file.digest !== undefined) continue;
      const { content, state, name } = file;
      const key = joinBytes(base, name);
      const sha256 = 'bytes' in content ? hash('sha256', content.bytes) : cache.find(key, state);
      if (sha256 !== undefined) file.digest = `sha256:${sha256}`;
      else if ('path' in content) unread.push({ key, file, path: content.path, sizeBytes: state.sizeBytes });
    }
  }
  if (unread.length === 0) return 0;
  const results = await hashFiles(unread, options);
  let failure: Error | undefined;
  results.forEach((result, i) => {
    const { key, file, path } = unread[i] as Unread;
    if (!('sha256' in result)) {
      cache.forget(key);
      failure ??= result.changed ? new ContextChanged(path) : cannotRead(path, result);
      return;
    }
    file.digest = `sha256:${result.sha256}`;
    file.isNew = true;
    file.mode = result.mode;
    file.state = result.state;
    cache.put(key, file.state, result.sha256, result.readAtMs);
  });
  if (failure) throw failure;
  return unread.length;
}
