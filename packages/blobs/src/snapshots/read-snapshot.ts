import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import {
  MAX_SNAPSHOT_CHUNK_BYTES,
  OWNED_SNAPSHOT_FORMAT,
  type SnapshotManifest,
  type SnapshotMount,
  snapshotManifest,
} from '@kiln/contracts';
import { byteString, type Digest, digestOf, INLINE_BYTES, type TreeReader } from '@kiln/trees';

/** Name of the manifest in a snapshot's tree. */
export const MANIFEST = byteString('manifest.json');
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
/** Chunks that are asked for together. */
const AT_ONCE = 64;

/** What should be a snapshot isn't one, or is damaged. */
export class SnapshotInvalid extends Error {
  readonly code = 'snapshot_invalid';
  readonly got: string;
  readonly expected: string;

  constructor(got: string, expected: string) {
    super(`got ${got}, expected ${expected}`);
    this.name = 'SnapshotInvalid';
    this.got = got;
    this.expected = expected;
  }
}

/** Parses the content of a manifest. @throws SnapshotInvalid */
export function parseManifest(content: Buffer): SnapshotManifest {
  let json: unknown;
  try {
    json = JSON.parse(content.toString('utf8'));
  } catch {
    throw new SnapshotInvalid('a manifest that is not JSON', 'the manifest of a snapshot');
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format > OWNED_SNAPSHOT_FORMAT)
    throw new SnapshotInvalid(
      `a snapshot of format ${format}, made by a newer version of Kiln`,
      `format ${OWNED_SNAPSHOT_FORMAT} or older`,
    );
  const parsed = snapshotManifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SnapshotInvalid(
    `a manifest in which ${issue?.path.join('.') ?? ''} is not valid (${issue?.message})`,
    'the manifest of a snapshot',
  );
}

/** Reads a snapshot's manifest. @throws SnapshotInvalid @throws TreePartMissing @throws what the reader throws */
export async function readManifest(trees: TreeReader, root: Digest, signal?: AbortSignal): Promise<SnapshotManifest> {
  for await (const part of trees.read({ directories: [root], files: [] }, signal)) {
    if (part.type !== 'directory' || part.object.node.type !== 'entries') continue;
    const content = await buffer(Readable.from(part.content));
    const file = part.object.node.entries.find(({ name }) => name === MANIFEST);
    if (file?.type !== 'file' || file.sizeBytes > MAX_MANIFEST_BYTES) break;
    if (file.sizeBytes <= INLINE_BYTES) return parseManifest(content);
    for await (const large of trees.read({ directories: [], files: [file.digest] }, signal))
      return parseManifest(await buffer(Readable.from(large.content)));
  }
  throw new SnapshotInvalid(`the tree ${root}`, 'a tree that is a snapshot');
}

/**
 * Reads the tar of a mount, chunk by chunk, each checked before it is given out, and the whole at the end.
 * @throws SnapshotInvalid @throws TreePartMissing @throws what the reader throws
 */
export async function* mountContent(
  trees: TreeReader,
  mount: SnapshotMount,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const whole = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of unpacked(storedChunks(trees, mount, signal))) {
    whole.update(chunk);
    sizeBytes += chunk.length;
    yield chunk;
  }
  const digest = `sha256:${whole.digest('hex')}`;
  if (digest !== mount.digest || sizeBytes !== mount.sizeBytes)
    throw new SnapshotInvalid(
      `${sizeBytes} bytes with the digest ${digest} for the mount ${mount.id}`,
      `${mount.sizeBytes} bytes with ${mount.digest}`,
    );
}

/** Reads the compressed chunks of a mount in order, checking each. */
export async function* storedChunks(
  trees: TreeReader,
  { chunks }: Pick<SnapshotMount, 'chunks'>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let i = 0; i < chunks.length; i += AT_ONCE) {
    const some = chunks.slice(i, i + AT_ONCE);
    // A chunk may occur several times, and is asked for once: it comes with the first.
    const files = some.filter(({ data }) => data === undefined).map(({ digest }) => digest as Digest);
    const parts = trees.read({ directories: [], files: [...new Set(files)] }, signal)[Symbol.asyncIterator]();
    const early = new Map<string, Buffer>();
    const isLast = (digest: string, at: number) => !some.some((other, j) => j > at && other.digest === digest);
    try {
      for (const [at, { digest, data }] of some.entries()) {
        let content = data === undefined ? early.get(digest) : Buffer.from(data, 'base64');
        while (content === undefined) {
          const next = await parts.next();
          if (next.done) throw new SnapshotInvalid(`no chunk ${digest}`, 'all chunks of the snapshot');
          if (next.value.type !== 'file') continue;
          const read = await buffer(Readable.from(next.value.content));
          if (next.value.digest === digest) content = read;
          else early.set(next.value.digest, read);
        }
        const got = digestOf(content);
        if (got !== digest) throw new SnapshotInvalid(`a chunk with the digest ${got}`, digest);
        if (isLast(digest, at)) early.delete(digest);
        else early.set(digest, content);
        yield content;
      }
    } finally {
      await parts.return?.();
    }
  }
}

/** Decompresses chunks; refuses those that become larger than any chunk. */
async function* unpacked(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decompress = promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress);
  for await (const chunk of chunks) {
    try {
      yield await decompress(chunk, { maxOutputLength: MAX_SNAPSHOT_CHUNK_BYTES });
    } catch (error) {
      throw new SnapshotInvalid(
        `a chunk that can't be decompressed (${(error as Error).message})`,
        'a chunk compressed with zstd',
      );
    }
  }
}
