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
import type { ContextDirectory, ContextNode } from './context-tree.ts';

/** A directory object, and the directory that it describes, wholly or in part. */
export interface ContextObject {
  readonly object: DirectoryObject;
  readonly directory: ContextDirectory;
}

/** A context as the objects that it is stored as. */
export interface EncodedContext {
  /** The root's. */
  readonly digest: Digest;
  readonly objects: ReadonlyMap<Digest, ContextObject>;
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
}

/** Encodes a context whose files have digests. @throws UsageError for what a tree can't have, such as a name of more than 255 bytes */
export function encodeContext(root: ContextDirectory): EncodedContext {
  const objects = new Map<Digest, ContextObject>();
  let files = 0;
  let bytes = 0;

  function entryOf(node: ContextNode): Entry {
    const { type, name } = node;
    switch (type) {
      case 'file':
        files += 1;
        bytes += node.state.sizeBytes;
        if (node.digest === undefined) throw new Error(`no digest of ${shownBytes(name)}`);
        return { type, name, mode: node.mode, sizeBytes: node.state.sizeBytes, digest: node.digest };
      case 'symlink':
        return { type, name, target: node.target };
      case 'directory':
        return { type, name, mode: node.mode, digest: encode(node) };
    }
  }

  function encode(directory: ContextDirectory): Digest {
    const encoded = objectsOf(directory, directory.children.map(entryOf));
    for (const object of encoded) if (!objects.has(object.digest)) objects.set(object.digest, { object, directory });
    return (encoded.at(-1) as DirectoryObject).digest;
  }

  return { digest: encode(root), objects, files, bytes };
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
export function timesOf(root: ContextDirectory): { readonly digest: Digest; readonly bytes: Buffer } {
  const times: bigint[] = [];
  const visit = ({ children }: ContextDirectory): void => {
    for (const child of children) {
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
