import type { BigIntStats } from 'node:fs';
import { type ByteString, type Digest, joinBytes } from '@kiln/trees';
import { type FileState, permissionsOf, stateOf } from './file-state.ts';
import type { SystemPath } from './system-path.ts';

export interface ContextFile {
  readonly type: 'file';
  readonly name: ByteString;
  /** Where the content is: a path of the file system, or the bytes themselves. */
  readonly content: { readonly path: SystemPath } | { readonly bytes: Uint8Array };
  /** Permission bits. This, `state` and `digest` are set again when the file is read. */
  mode: number;
  state: FileState;
  /** Of the content; undefined until that has been read. */
  digest: Digest | undefined;
  /** Whether its digest wasn't remembered, so that it has probably never been sent. */
  isNew?: boolean;
}

export interface ContextLink {
  readonly type: 'symlink';
  readonly name: ByteString;
  readonly target: ByteString;
  readonly mtimeNs: bigint;
}

export interface ContextDirectory {
  readonly type: 'directory';
  readonly name: ByteString;
  /** Relative to the context; empty for the context itself. */
  readonly path: ByteString;
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** In the order of the bytes of their names. */
  readonly children: readonly ContextNode[];
  /** What `children` are made of when they are first asked for, which mostly is never. */
  readonly packed?: Packed | undefined;
  /** Of its directory object, if that is known already: then the digests of its files may not have been looked up. */
  digest?: Digest | undefined;
}

/** The entries of a directory as bytes (`PackedEntries`). */
export interface Packed {
  readonly bytes: Buffer;
  /** The directories among the entries, in the order of the entries. */
  readonly directories: readonly ContextDirectory[];
  readonly files: number;
  /** Of all files immediately in the directory. */
  readonly sizeBytes: number;
  readonly hasLinks: boolean;
  /** Whether there are objects for the entries, which may have changed since. */
  readonly isOpened: boolean;
  fileNames(): Iterable<ByteString>;
}

/** A file, directory or link to send. */
export type ContextNode = ContextFile | ContextLink | ContextDirectory;

/** Returns a file that hasn't been read. */
export function fileNode(name: ByteString, path: SystemPath, stats: BigIntStats): ContextFile {
  return {
    type: 'file',
    name,
    content: { path },
    mode: permissionsOf(stats),
    state: stateOf(stats),
    digest: undefined,
  };
}

/** Returns the directories in a directory, without asking for all of its children. */
export function directoriesIn(directory: ContextDirectory): readonly ContextDirectory[] {
  return directory.packed?.directories ?? directory.children.filter((child) => child.type === 'directory');
}

/** Returns the names of the files in a directory, likewise. */
export function fileNamesIn(directory: ContextDirectory): Iterable<ByteString> {
  const { packed } = directory;
  if (packed && !packed.isOpened) return packed.fileNames();
  return directory.children.filter((child) => child.type === 'file').map(({ name }) => name);
}

/** Returns the directories and links in a directory, in the order of a walk, likewise. */
export function notFilesIn(directory: ContextDirectory): readonly (ContextDirectory | ContextLink)[] {
  const { packed } = directory;
  if (packed && !packed.hasLinks) return packed.directories;
  return directory.children.filter((child) => child.type !== 'file');
}

/** Calls `visit` with every file of a tree and its path in the context, in the order of a walk. */
export function eachFile(directory: ContextDirectory, visit: (path: ByteString, file: ContextFile) => void): void {
  for (const child of directory.children) {
    if (child.type === 'file') visit(joinBytes(directory.path, child.name), child);
    else if (child.type === 'directory') eachFile(child, visit);
  }
}
