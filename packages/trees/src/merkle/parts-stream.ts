import { createHash, type Hash } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { shownBytes } from './byte-string.ts';
import { type DirectoryObject, decodeDirectory, inlineFiles, MAX_ENCODING_BYTES } from './directory.ts';
import { cursorOf, EncodingWriter } from './encoding.ts';
import type { Digest } from './tree-entry.ts';
import { TreeFault } from './tree-fault.ts';

const MAGIC = Buffer.from('kiln-tree-parts-1\n');
const DIRECTORY = 0x44;
const FILE = 0x46;
const END = 0x2e;

/** A directory object, and the content of its inline files in their order. */
export interface DirectoryPart {
  readonly type: 'directory';
  readonly object: DirectoryObject;
  /** Read it to its end before the next part: it throws TreeFault at the end if a digest is wrong. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** The content of a file with an object of its own, from byte `offset` on. */
export interface FilePart {
  readonly type: 'file';
  readonly digest: Digest;
  /** Of the whole file. */
  readonly sizeBytes: number;
  readonly offset: number;
  /** As that of a directory; its digest is checked only if `offset` is 0. */
  readonly content: AsyncIterable<Uint8Array>;
}

export type TreePart = DirectoryPart | FilePart;

/**
 * Writes parts one after the other; nothing is kept in memory. To be stored in this order, every directory must come after all that it names.
 * @throws what a part's content throws, and TreeFault if that has another length than its entry says
 */
export async function* writeParts(parts: AsyncIterable<TreePart> | Iterable<TreePart>): AsyncGenerator<Uint8Array> {
  yield MAGIC;
  for await (const part of parts) {
    yield headOf(part);
    let left = contentBytes(part);
    for await (const chunk of part.content) {
      left -= chunk.length;
      if (left < 0) break;
      yield chunk;
    }
    if (left !== 0) throw new TreeFault('content of another length', 'content of the length that its entry says');
  }
  yield Buffer.of(END);
}

/** Bytes of content that follow the head of a part. */
export function contentBytes(part: TreePart): number {
  if (part.type === 'file') return part.sizeBytes - part.offset;
  return inlineFiles(part.object.node).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Reads what `writeParts` wrote, checking every digest. @throws TreeFault @throws TreeCutOff @throws what `bytes` throws */
export async function* readParts(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TreePart> {
  await using from = new ByteReader(bytes);
  if (!(await from.take(MAGIC.length)).equals(MAGIC))
    throw new TreeFault('a stream that does not start with its format', MAGIC.toString().trim());
  for (let kind = await from.byte(); kind !== END; kind = await from.byte()) {
    const part = kind === DIRECTORY ? await readDirectory(from) : await readFile(from, kind);
    yield part;
    // What wasn't read is checked all the same.
    for await (const _ of part.content);
  }
  if (!(await from.isAtEnd())) throw new TreeFault('bytes after the end', 'none');
}

function headOf(part: TreePart): Buffer {
  const out = new EncodingWriter();
  if (part.type === 'file')
    return out.uint(FILE, 1).digest(part.digest).uint(part.sizeBytes, 6).uint(part.offset, 6).bytes();
  const { bytes } = part.object;
  return Buffer.concat([out.uint(DIRECTORY, 1).uint(bytes.length, 4).bytes(), bytes]);
}

async function readDirectory(from: ByteReader): Promise<DirectoryPart> {
  const length = (await from.take(4)).readUInt32BE();
  if (length > MAX_ENCODING_BYTES)
    throw new TreeFault(`a directory of ${length} bytes`, `at most ${MAX_ENCODING_BYTES} bytes`);
  const object = decodeDirectory(await from.take(length));
  return { type: 'directory', object, content: once(inlineContent(from, object)) };
}

async function readFile(from: ByteReader, kind: number): Promise<FilePart> {
  if (kind !== FILE) throw new TreeFault(`a part of kind ${kind}`, 'a directory or a file');
  const head = cursorOf(await from.take(32 + 6 + 6));
  const [digest, sizeBytes, offset] = [head.digest(), head.uint(6), head.uint(6)];
  if (offset > sizeBytes) throw new TreeFault(`byte ${offset} of ${sizeBytes}`, 'a place in the file');
  const content = once(checkedContent(from, sizeBytes - offset, offset === 0 ? digest : undefined, undefined));
  return { type: 'file', digest, sizeBytes, offset, content };
}

async function* inlineContent(from: ByteReader, { node }: DirectoryObject): AsyncGenerator<Uint8Array> {
  for (const { name, sizeBytes, digest } of inlineFiles(node))
    yield* checkedContent(from, sizeBytes, digest, shownBytes(name));
}

async function* checkedContent(
  from: ByteReader,
  length: number,
  digest: Digest | undefined,
  name: string | undefined,
): AsyncGenerator<Uint8Array> {
  const hash: Hash | undefined = digest && createHash('sha256');
  for await (const chunk of from.stream(length)) {
    hash?.update(chunk);
    yield chunk;
  }
  const got = hash && `sha256:${hash.digest('hex')}`;
  if (got !== digest) throw new TreeFault(`content with the digest ${got}`, `${digest}`, name);
}

/** Makes a generator's rest readable by a second loop: a `for await` that breaks off would end the generator. */
function once(content: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => content.next() }) };
}
