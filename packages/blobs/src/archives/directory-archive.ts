import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import {
  byteString,
  type Digest,
  digestOf,
  encodeDirectory,
  type FileEntry,
  INLINE_BYTES,
  inlineFiles,
  type TreePart,
  type TreeReader,
  toBytes,
} from '@kiln/trees';
import type { SnapshotTarget } from '../snapshots/write-snapshot.ts';

/** Where an OCI image layout has its contents, each in a file named after its digest. */
const BLOBS = join('blobs', 'sha256');
const HEX = /^[0-9a-f]{64}$/;
/** Digests in one request. */
const ASKED = 1_000;
const MODE = 0o644;

/** An archive that is stored. */
export interface StoredArchive {
  /** Digest of the tree with its files. */
  readonly root: Digest;
  readonly bytes: number;
  /** Bytes that weren't stored before. */
  readonly newBytes: number;
}

interface Content {
  readonly entry: FileEntry;
  readonly path: string;
}

/**
 * Stores a directory of BuildKit's local cache, an OCI image layout, as a tree of its files. What is stored already isn't stored again. Contents that are stored
 * aren't read, because they are named after their digests.
 * @throws the file system's and the target's errors
 */
export async function storeArchive(target: SnapshotTarget, dir: string): Promise<StoredArchive> {
  const contents = await contentsOf(dir);
  const large = new Map<Digest, Content>();
  for (const one of contents) if (one.entry.sizeBytes > INLINE_BYTES) large.set(one.entry.digest, one);
  let newBytes = 0;
  for (const digests of batches([...large.keys()])) {
    for (const digest of await target.missingFiles(digests)) {
      const { entry, path } = large.get(digest) as Content;
      await target.store([filePart(entry, path)]);
      newBytes += entry.sizeBytes;
    }
  }
  const paths = new Map(contents.map(({ entry, path }) => [entry.name, path]));
  const objects = encodeDirectory(contents.map(({ entry }) => entry));
  for (const object of objects) {
    const inline = inlineFiles(object.node).map(({ name }) => readFile(paths.get(name) ?? ''));
    const content = [...(await Promise.all(inline))];
    await target.store([{ type: 'directory', object, content: again(() => content) }]);
  }
  const bytes = contents.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
  return { root: (objects.at(-1) as (typeof objects)[number]).digest, bytes, newBytes };
}

/**
 * Writes an archive into a directory, which must not exist. After an error it doesn't.
 * @throws TreePartMissing if the archive is no longer stored @throws Error if one of its files has another digest @throws the reader's and the file system's errors
 */
export async function restoreArchive(
  trees: TreeReader,
  root: Digest,
  dir: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await mkdir(join(dir, BLOBS), { recursive: true });
    const large = new Map<Digest, string>();
    for (let wanted: Digest[] = [root]; wanted.length > 0; ) {
      const parts: Digest[] = [];
      for await (const part of trees.read({ directories: wanted, files: [] }, signal)) {
        if (part.type !== 'directory') continue;
        const { node } = part.object;
        let content = await buffer(Readable.from(part.content));
        if (node.type === 'parts') parts.push(...node.parts);
        for (const { name, sizeBytes } of inlineFiles(node)) {
          await writeFile(pathOf(dir, Buffer.from(toBytes(name)).toString()), content.subarray(0, sizeBytes));
          content = content.subarray(sizeBytes);
        }
        if (node.type !== 'entries') continue;
        for (const entry of node.entries) {
          if (entry.type !== 'file' || entry.sizeBytes <= INLINE_BYTES) continue;
          large.set(entry.digest, pathOf(dir, Buffer.from(toBytes(entry.name)).toString()));
        }
      }
      wanted = parts;
    }
    for (const files of batches([...large.keys()])) {
      for await (const part of trees.read({ directories: [], files }, signal)) {
        const path = part.type === 'file' ? large.get(part.digest) : undefined;
        if (part.type !== 'file' || path === undefined) continue;
        await pipeline(checked(part.content, part.digest), createWriteStream(path));
      }
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Names in a tree are anyone's: only those that an image layout has lead to a file. */
function pathOf(dir: string, name: string): string {
  if (HEX.test(name)) return join(dir, BLOBS, name);
  if (/^[a-z][a-z.-]*$/.test(name)) return join(dir, name);
  throw new RangeError(`archive: got a file ${JSON.stringify(name)}, expected one of an image layout`);
}

async function contentsOf(dir: string): Promise<Content[]> {
  const blobs = (await readdir(join(dir, BLOBS))).filter((name) => HEX.test(name));
  const others = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isFile());
  const named = [
    ...blobs.map((name) => ({ name, path: join(dir, BLOBS, name) })),
    ...others.map(({ name }) => ({ name, path: join(dir, name) })),
  ];
  return Promise.all(
    named.map(async ({ name, path }): Promise<Content> => {
      const digest: Digest = HEX.test(name) ? `sha256:${name}` : digestOf(await readFile(path));
      const { size: sizeBytes } = await stat(path);
      return { path, entry: { type: 'file', name: byteString(name), mode: MODE, sizeBytes, digest } };
    }),
  );
}

function filePart({ digest, sizeBytes }: FileEntry, path: string): TreePart {
  return { type: 'file', digest, sizeBytes, offset: 0, content: again(() => checked(createReadStream(path), digest)) };
}

/** Passes a content on, and throws at its end if it isn't the one with this digest: not every reader and store checks it. */
async function* checked(content: AsyncIterable<Uint8Array>, digest: Digest): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  const got = `sha256:${hash.digest('hex')}`;
  if (got !== digest) throw new Error(`archive: got a file with the digest ${got}, expected ${digest}`);
}

/** A stream that can be read several times. */
function again(open: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield* open();
    },
  };
}

function* batches<T>(all: readonly T[]): Generator<T[]> {
  for (let i = 0; i < all.length; i += ASKED) yield all.slice(i, i + ASKED);
}
