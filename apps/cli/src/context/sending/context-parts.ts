import {
  type ByteString,
  type Digest,
  type DirectoryEntry,
  INLINE_BYTES,
  inlineFiles,
  type TreePart,
} from '@kiln/trees';
import type { ContextFile, ContextNode } from '../context-tree.ts';
import type { ContextObject, EncodedContext } from '../encode-context.ts';
import { FileReader } from './file-content.ts';
import type { MissingParts } from './missing-parts.ts';

/** A file that isn't part of the tree, such as that of its times. */
export interface OtherFile {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Called for each piece of content that was read, and for each file whose last one was. */
export interface PartsProgress {
  readonly onContent: (bytes: number) => void;
  readonly onFile: (file: ContextFile) => void;
}

const NO_PROGRESS: PartsProgress = { onContent: () => {}, onFile: () => {} };

/**
 * Yields what is missing of a context, children before parents, each when it is asked for: nothing is in memory but one piece of one file.
 * Content is checked while it is read. @throws ContextChanged, before the faulty content is whole
 */
export async function* contextParts(
  { digest, objects }: Pick<EncodedContext, 'digest' | 'objects'>,
  others: readonly OtherFile[],
  missing: MissingParts,
  progress: PartsProgress = NO_PROGRESS,
): AsyncGenerator<TreePart> {
  const done = new Set<Digest>();
  const reader = new FileReader();
  const take = (each: Digest): boolean => {
    if (done.has(each)) return false;
    done.add(each);
    return true;
  };

  async function* directory(each: Digest): AsyncGenerator<TreePart> {
    const found = objects.get(each);
    if (!found || !missing.directories.has(each) || !take(each)) return;
    const { node } = found.object;
    if (node.type === 'parts') for (const part of node.parts) yield* directory(part);
    else {
      const named = childrenOf(found);
      for (const entry of node.entries) {
        if (entry.type === 'file' && entry.sizeBytes > INLINE_BYTES) yield* largeFile(named(entry.name));
        else if (entry.type === 'directory') yield* directory((entry satisfies DirectoryEntry).digest);
      }
    }
    yield { type: 'directory', object: found.object, content: inlineContent(found, reader, progress) };
  }

  function* largeFile(file: ContextFile): Generator<TreePart> {
    const fileDigest = file.digest as Digest;
    const offset = missing.files.get(fileDigest);
    if (offset === undefined || !take(fileDigest)) return;
    const content = counted(file, reader.content(file, offset), progress);
    yield { type: 'file', digest: fileDigest, sizeBytes: file.state.sizeBytes, offset, content };
  }

  for (const other of others) {
    const offset = missing.files.get(other.digest);
    if (offset === undefined || !take(other.digest)) continue;
    const content = chunkOf(other.bytes.subarray(offset));
    yield { type: 'file', digest: other.digest, sizeBytes: other.bytes.length, offset, content };
  }
  yield* directory(digest);
}

async function* inlineContent(
  found: ContextObject,
  reader: FileReader,
  progress: PartsProgress,
): AsyncGenerator<Uint8Array> {
  const files = inlineFiles(found.object.node);
  if (files.length === 0) return;
  const named = childrenOf(found);
  for (const { name } of files) {
    const file = named(name);
    yield* counted(file, reader.content(file, 0), progress);
  }
}

async function* counted(
  file: ContextFile,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { onContent, onFile }: PartsProgress,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    yield chunk;
    onContent(chunk.length);
  }
  onFile(file);
}

async function* chunkOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

/** Returns a function that finds a file of a directory by its name. The children are sorted, and a map of them for each part would be many. */
export function childrenOf({ directory: { children } }: ContextObject): (name: ByteString) => ContextFile {
  return (name) => {
    let [from, to] = [0, children.length];
    while (to - from > 1) {
      const middle = (from + to) >>> 1;
      if ((children[middle] as ContextNode).name <= name) from = middle;
      else to = middle;
    }
    return children[from] as ContextFile;
  };
}
