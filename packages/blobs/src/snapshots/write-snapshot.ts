import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import {
  OWNED_SNAPSHOT_FORMAT,
  SNAPSHOT_FORMAT,
  type SnapshotChunk,
  type SnapshotManifest,
  type SnapshotMount,
} from '@kiln/contracts';
import {
  byteString,
  type Digest,
  type DirectoryObject,
  digestOf,
  encodeDirectory,
  type FileEntry,
  INLINE_BYTES,
  inlineFiles,
  type TreePart,
} from '@kiln/trees';
import { cutChunks } from './cut-chunks.ts';
import { MANIFEST } from './read-snapshot.ts';

/** Chunks that are compressed, and then stored, together. */
const AT_ONCE = 4;
const MODE = 0o644;

const compress = promisify(zlib.zstdCompress);

/** Where a team's objects are stored: a `TreeStore`, or the API in front of it. */
export interface SnapshotTarget {
  /** Returns those of the digests that aren't stored. */
  missingFiles(digests: readonly Digest[]): Promise<readonly Digest[]>;
  /** Stores objects durably, every directory after what it names. May be called again with the same ones. */
  store(parts: readonly TreePart[]): Promise<void>;
}

/** A complete snapshot. */
export interface WrittenSnapshot {
  readonly root: Digest;
  readonly manifest: SnapshotManifest;
}

/**
 * Stores a snapshot as a tree: chunks of its mounts' tars, each compressed, and a manifest. What is stored already isn't stored again, so what was cut off goes on
 * where it was. Keeps a few chunks in memory.
 */
export class SnapshotWriter {
  readonly #target: SnapshotTarget;
  readonly #onStored: ((bytes: number) => void) | undefined;
  readonly #mounts: SnapshotMount[] = [];
  readonly #files = new Map<Digest, number>();

  /** @param onStored called with the bytes of the tar that are stored since the last call */
  constructor(target: SnapshotTarget, onStored?: (bytes: number) => void) {
    this.#target = target;
    this.#onStored = onStored;
  }

  /** Stores the tar of a mount. @throws what `tar` or the target throws */
  async addMount(
    { id, kind }: Pick<SnapshotMount, 'id' | 'kind'>,
    tar: AsyncIterable<Uint8Array>,
  ): Promise<SnapshotMount> {
    const whole = createHash('sha256');
    let sizeBytes = 0;
    const chunks: SnapshotChunk[] = [];
    let batch: Buffer[] = [];
    let storing: Promise<void> = Promise.resolve();
    const store = async (raw: readonly Buffer[]) => {
      chunks.push(...(await this.#chunks(raw)));
      this.#onStored?.(raw.reduce((sum, { length }) => sum + length, 0));
    };
    // While a batch is stored, the next one is read.
    const flush = async () => {
      await storing;
      storing = store(batch);
      // Thrown when it is waited for.
      storing.catch(() => {});
      batch = [];
    };
    for await (const chunk of cutChunks(tar)) {
      whole.update(chunk);
      sizeBytes += chunk.length;
      batch.push(chunk);
      if (batch.length >= AT_ONCE) await flush();
    }
    await flush();
    await storing;
    const digest: Digest = `sha256:${whole.digest('hex')}`;
    return { id, kind, sizeBytes, digest, entries: 0, changed: false, chunks };
  }

  /** Adds a mount to the snapshot, when it is complete. */
  keep(mount: SnapshotMount): void {
    this.#mounts.push(mount);
    for (const { digest, sizeBytes, data } of mount.chunks)
      if (data === undefined) this.#files.set(digest as Digest, sizeBytes);
  }

  /** Stores the rest. */
  async finish(): Promise<WrittenSnapshot> {
    const format = this.#mounts.some(({ owner }) => owner) ? OWNED_SNAPSHOT_FORMAT : SNAPSHOT_FORMAT;
    const manifest: SnapshotManifest = { format, mounts: this.#mounts };
    return { root: await storeManifest(this.#target, manifest, this.#files), manifest };
  }

  async #chunks(raw: readonly Buffer[]): Promise<SnapshotChunk[]> {
    const packed = await Promise.all(raw.map((chunk) => compress(chunk)));
    const chunks = packed.map((content) => ({ digest: digestOf(content), content }));
    const files = new Map(
      chunks.filter(({ content }) => content.length > INLINE_BYTES).map((one) => [one.digest, one]),
    );
    const missing = await this.#target.missingFiles([...files.keys()]);
    const parts = missing.map((digest) => filePart(digest, files.get(digest)?.content as Buffer));
    if (parts.length > 0) await this.#target.store(parts);
    return chunks.map(({ digest, content }) => ({
      ...{ digest, sizeBytes: content.length },
      ...(content.length <= INLINE_BYTES && { data: content.toString('base64') }),
    }));
  }
}

/** Stores a manifest with the directories that name the files of its chunks, which are stored. @returns the tree's digest */
export async function storeManifest(
  target: SnapshotTarget,
  manifest: SnapshotManifest,
  files: ReadonlyMap<Digest, number>,
): Promise<Digest> {
  const content = Buffer.from(JSON.stringify(manifest));
  const file: FileEntry = {
    type: 'file',
    name: MANIFEST,
    mode: MODE,
    sizeBytes: content.length,
    digest: digestOf(content),
  };
  const named = [...files].map(([digest, sizeBytes]): FileEntry => {
    return { type: 'file', name: byteString(digest.slice('sha256:'.length)), mode: MODE, sizeBytes, digest };
  });
  const chunks = encodeDirectory(named);
  const list = chunks.at(-1) as DirectoryObject;
  const [root] = encodeDirectory([
    file,
    { type: 'directory', name: byteString('chunks'), mode: 0o755, digest: list.digest },
  ]);
  if (content.length > INLINE_BYTES) await target.store([filePart(file.digest, content)]);
  await target.store([...chunks.map((object) => directoryPart(object, [])), directoryPart(root, [content])]);
  return root.digest;
}

export function filePart(digest: Digest, content: Buffer): TreePart {
  return { type: 'file', digest, sizeBytes: content.length, offset: 0, content: streamed([content]) };
}

function directoryPart(object: DirectoryObject, inline: readonly Buffer[]): TreePart {
  return { type: 'directory', object, content: streamed(inlineFiles(object.node).length > 0 ? inline : []) };
}

/** A stream that can be read several times. */
function streamed(chunks: readonly Buffer[]): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield* chunks;
    },
  };
}
