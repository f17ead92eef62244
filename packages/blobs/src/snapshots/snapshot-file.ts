import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { SnapshotManifest, SnapshotView } from '@kiln/contracts';
import { SNAPSHOT_FORMAT } from '@kiln/contracts';
import type { Digest, TreeReader } from '@kiln/trees';
import { z } from 'zod';
import { parseManifest, SnapshotInvalid, storedChunks } from './read-snapshot.ts';
import { filePart, type SnapshotTarget, storeManifest } from './write-snapshot.ts';

/*
 * A snapshot in one file: MAGIC, the length of the head (4 bytes), the head (JSON: what the snapshot is, and the length of its manifest), the manifest, each
 * chunk once in the order in which the manifest names it first, and the SHA-256 of everything before it.
 */
const MAGIC = Buffer.from('kiln-cache-snapshot\n');
const LENGTH_BYTES = 4;
const DIGEST_BYTES = 32;
const MAX_HEAD_BYTES = 1024 * 1024;
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
/** Chunks that are asked about together. */
const BATCH = 64;
const EXPECTED = 'a file written by kiln snapshot export';

const fileHead = z.object({
  format: z.int().min(1),
  repo: z.string().min(1),
  trust: z.enum(['trusted', 'untrusted']),
  createdAt: z.string(),
  host: z.string().optional(),
  manifestBytes: z.int().min(1).max(MAX_MANIFEST_BYTES),
});

/** What a file says about its snapshot. */
export type SnapshotFileHead = z.output<typeof fileHead>;

interface Place {
  readonly at: number;
  readonly sizeBytes: number;
}

/** A file whose content was checked. */
export interface SnapshotFile {
  readonly head: SnapshotFileHead;
  readonly manifest: SnapshotManifest;
  /** Where each chunk is in the file. */
  readonly places: ReadonlyMap<Digest, Place>;
}

/**
 * Writes a snapshot to a file, which appears only when it is complete.
 * @returns its size, bytes
 * @throws SnapshotInvalid @throws TreePartMissing @throws what the reader or the file system throws
 */
export async function writeSnapshotFile(
  path: string,
  view: SnapshotView,
  manifest: SnapshotManifest,
  trees: TreeReader,
  signal?: AbortSignal,
): Promise<number> {
  const draft = `${path}.part`;
  try {
    await using file = await open(draft, 'w', 0o600);
    const whole = createHash('sha256');
    let written = 0;
    const write = async (bytes: Buffer) => {
      whole.update(bytes);
      await file.writeFile(bytes);
      written += bytes.length;
    };
    const content = Buffer.from(JSON.stringify(manifest));
    const { repo, trust, createdAt, host } = view;
    const head: SnapshotFileHead = {
      ...{ format: SNAPSHOT_FORMAT, repo, trust, createdAt, manifestBytes: content.length },
      ...(host !== undefined && { host }),
    };
    const headBytes = Buffer.from(JSON.stringify(head));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(headBytes.length);
    for (const bytes of [MAGIC, length, headBytes, content]) await write(bytes);
    const chunks = [...chunksOf(manifest)].map(([digest, sizeBytes]) => ({ digest, sizeBytes }));
    for await (const chunk of storedChunks(trees, { chunks }, signal)) await write(chunk);
    await file.writeFile(whole.digest());
    await file.sync();
    await rename(draft, path);
    return written + DIGEST_BYTES;
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Reads a file to its end and checks all of it. @throws SnapshotInvalid @throws the file system's errors */
export async function checkSnapshotFile(path: string): Promise<SnapshotFile> {
  await using file = await open(path);
  const { size } = await file.stat();
  const take = async (at: number, length: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
    if (bytesRead < length) throw cutShort(size, at + length);
    return buffer;
  };
  const start = await take(0, Math.min(size, MAGIC.length));
  if (!MAGIC.subarray(0, start.length).equals(start) || size === 0)
    throw new SnapshotInvalid('a file of another kind', EXPECTED);
  let at = MAGIC.length;
  const headBytes = (await take(at, LENGTH_BYTES)).readUInt32BE();
  if (headBytes > MAX_HEAD_BYTES) throw new SnapshotInvalid(`a head of ${headBytes} bytes`, EXPECTED);
  at += LENGTH_BYTES;
  const head = parseHead(await take(at, headBytes));
  at += headBytes;
  const manifest = parseManifest(await take(at, head.manifestBytes));
  at += head.manifestBytes;
  const places = new Map<Digest, Place>();
  for (const [digest, sizeBytes] of chunksOf(manifest)) {
    places.set(digest, { at, sizeBytes });
    at += sizeBytes;
  }
  if (size < at + DIGEST_BYTES) throw cutShort(size, at + DIGEST_BYTES);
  if (size > at + DIGEST_BYTES)
    throw new SnapshotInvalid(`${size} bytes`, `the ${at + DIGEST_BYTES} bytes that its manifest says`);
  const whole = createHash('sha256');
  for (let read = 0; read < at; read += PIECE_BYTES) whole.update(await take(read, Math.min(PIECE_BYTES, at - read)));
  if (!whole.digest().equals(await take(at, DIGEST_BYTES)))
    throw new SnapshotInvalid('content that does not match the file’s own digest: it is damaged', EXPECTED);
  return { head, manifest, places };
}

/** Stores the content of a checked file, without what is stored already. @returns the tree's digest @throws SnapshotInvalid if the file has changed */
export async function storeSnapshotFile(
  path: string,
  { manifest, places }: SnapshotFile,
  target: SnapshotTarget,
): Promise<Digest> {
  await using file = await open(path);
  const all = [...places];
  for (let i = 0; i < all.length; i += BATCH) {
    const some = all.slice(i, i + BATCH);
    for (const digest of await target.missingFiles(some.map(([name]) => name))) {
      const { at, sizeBytes } = places.get(digest) as Place;
      const { buffer } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, at);
      await target.store([filePart(digest, buffer)]);
    }
  }
  return storeManifest(target, manifest, new Map(all.map(([digest, { sizeBytes }]) => [digest, sizeBytes])));
}

/** The chunks with files of their own, each once, in the order of their first appearance. */
function chunksOf({ mounts }: SnapshotManifest): Map<Digest, number> {
  const chunks = mounts.flatMap((mount) => mount.chunks).filter(({ data }) => data === undefined);
  return new Map(chunks.map(({ digest, sizeBytes }) => [digest as Digest, sizeBytes]));
}

function parseHead(bytes: Buffer): SnapshotFileHead {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new SnapshotInvalid('a head that is not JSON', EXPECTED);
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format > SNAPSHOT_FORMAT)
    throw new SnapshotInvalid(
      `format ${format}, made by a newer version of Kiln`,
      `format ${SNAPSHOT_FORMAT} or older`,
    );
  const parsed = fileHead.safeParse(json);
  if (!parsed.success) throw new SnapshotInvalid('a head that is not valid', EXPECTED);
  return parsed.data;
}

function cutShort(got: number, expected: number): SnapshotInvalid {
  return new SnapshotInvalid(`${got} bytes: the file is cut short`, `${expected} bytes or more`);
}
