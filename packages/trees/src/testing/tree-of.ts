import { byteString } from '../merkle/byte-string.ts';
import { digestOf, encodeDirectory, INLINE_BYTES, inlineFiles } from '../merkle/directory.ts';
import type { TreePart } from '../merkle/parts-stream.ts';
import type { Digest, Entry } from '../merkle/tree-entry.ts';

/** A tree to make: a file's content, the directory's entries, or where a link leads. */
export type TreeSpec = string | Uint8Array | { readonly link: string } | { readonly in: TreeSpecs };
export type TreeSpecs = Readonly<Record<string, TreeSpec>>;

export interface MadeTree {
  readonly root: Digest;
  /** Every directory after what it names; each object once. */
  readonly parts: readonly TreePart[];
}

/** Makes a tree. Files have mode 644, directories 755. */
export function treeOf(specs: TreeSpecs): MadeTree {
  const parts = new Map<Digest, TreePart>();
  return { root: directoryOf(specs, parts), parts: [...parts.values()] };
}

/** Returns the part of a file with an object of its own; `offset` bytes of it are left out. */
export function filePart(content: string | Uint8Array, offset = 0): TreePart & { readonly type: 'file' } {
  const bytes = Buffer.from(content);
  const rest = [bytes.subarray(offset)];
  return { type: 'file', digest: digestOf(bytes), sizeBytes: bytes.length, offset, content: streamed(rest) };
}

function directoryOf(specs: TreeSpecs, parts: Map<Digest, TreePart>): Digest {
  const contents = new Map<Digest, Buffer>();
  const entries = Object.entries(specs).map(([name, spec]) => entryOf(name, spec, parts, contents));
  const objects = encodeDirectory(entries);
  for (const object of objects) {
    const inline = inlineFiles(object.node).map(({ digest }) => contents.get(digest) as Buffer);
    parts.set(object.digest, { type: 'directory', object, content: streamed(inline) });
  }
  return (objects.at(-1) as { digest: Digest }).digest;
}

function entryOf(text: string, spec: TreeSpec, parts: Map<Digest, TreePart>, contents: Map<Digest, Buffer>): Entry {
  const name = byteString(text);
  if (typeof spec === 'object' && 'link' in spec) return { type: 'symlink', name, target: byteString(spec.link) };
  if (typeof spec === 'object' && 'in' in spec)
    return { type: 'directory', name, mode: 0o755, digest: directoryOf(spec.in, parts) };
  const bytes = Buffer.from(spec);
  const digest = digestOf(bytes);
  if (bytes.length > INLINE_BYTES) parts.set(digest, filePart(bytes));
  else contents.set(digest, bytes);
  return { type: 'file', name, mode: 0o644, sizeBytes: bytes.length, digest };
}

/** A stream that can be read several times. */
function streamed(chunks: readonly Buffer[]): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield* chunks;
    },
  };
}
