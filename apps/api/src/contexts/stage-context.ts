import { writeFile } from 'node:fs/promises';
import type { BlobStore, TreeStore } from '@kiln/blobs';
import { type TimedEntries, teamTreesKey } from '@kiln/contracts';
import type { MeteredBlobs, StorageShare } from '@kiln/state';
import { type Digest, digestOf } from '@kiln/trees';
import { fieldProblem } from '../http/api-problem.ts';
import { type SpoolOptions, TarSpool } from './spool-tar.ts';
import { type ContextLimits, tarProblem } from './tar-problems.ts';
import { type TarTree, tarTree } from './tar-tree.ts';
import { treeProblem } from './tree-problems.ts';

export interface StagingLimits extends ContextLimits {
  /** Most bytes of a context as sent. */
  readonly maxContextBytes: number;
}

export interface StagingDeps {
  readonly blobs: Pick<MeteredBlobs, 'tempPath' | 'beginUpload'>;
  readonly trees: TreeStore;
}

/** A context that has arrived completely and is valid, but isn't stored yet. Disposing of it removes what wasn't kept. */
export interface StagedContext extends AsyncDisposable {
  readonly tree: TarTree;
  /** As it was sent. */
  readonly sizeBytes: number;
  /** Stores the tree, counted for `share`; it is durable on return. Once is enough. @throws StorageQuotaExceeded */
  keep(share: StorageShare): Promise<void>;
  /** Stores the modification times of the tree's entries, or of some; durable on return. Undefined if there are none. To be called after `keep`. */
  keepTimes(share: StorageShare, which: TimedEntries): Promise<Digest | undefined>;
}

/**
 * Reads a context, tar or gzipped tar, and makes a tree of it. Contents go to the disk as they arrive. They count for `share`, if already known. On any
 * error nothing is left behind.
 * @throws ApiProblem `context_invalid`, `context_incomplete`, `body_too_large`; StorageQuotaExceeded, StorageFull; the file
 * system's errors (ENOSPC)
 */
export async function stageContext(
  source: AsyncIterable<Buffer>,
  { blobs, trees }: StagingDeps,
  limits: StagingLimits,
  share: StorageShare | undefined,
): Promise<StagedContext> {
  await using left = new AsyncDisposableStack();
  const upload = left.use(await blobs.beginUpload({ share }));
  const options = { ...limits, take: (bytes: number) => upload.take(bytes) };
  let sizeBytes = 0;
  const counted = limited(source, limits.maxContextBytes, (bytes) => {
    sizeBytes += bytes;
    return sizeBytes;
  });
  const spool = left.use(await spooled(counted, blobs, options));
  const tree = tarTree(spool.nodes);
  const kept = left.move();
  const store = async (owner: StorageShare) => {
    await upload.chargeTo(owner);
    await using writer = trees.write(writeOptions(owner, limits));
    for (const { sizeBytes: bytes, digest, path } of tree.large) {
      const released = spool.release(path);
      if (released !== undefined) await writer.adopt(digest, bytes, released);
    }
    for (const { object, contents } of tree.directories) {
      const part = { type: 'directory', object, content: spool.read(contents) } as const;
      await writer.add(part).catch((error: unknown) => Promise.reject(treeProblem(error)));
    }
    await writer.flush();
    await upload.settleInto(teamTreesKey(owner.team), writer.written.newBytes, owner);
  };
  let stored: Promise<void> | undefined;
  return {
    tree,
    sizeBytes,
    keep(owner) {
      stored ??= store(owner);
      return stored;
    },
    async keepTimes(owner, which) {
      const times = tree.times(which);
      if (times.length === 0) return undefined;
      await using more = await blobs.beginUpload({ share: owner });
      await more.take(times.length);
      const digest = digestOf(times);
      await using writer = trees.write(writeOptions(owner, limits));
      const path = await blobs.tempPath();
      await writeFile(path, times, { mode: 0o600, flag: 'wx' });
      await writer.adopt(digest, times.length, path);
      await writer.flush();
      await more.settleInto(teamTreesKey(owner.team), writer.written.newBytes);
      return digest;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Contents were counted when they arrived. */
function writeOptions({ team }: StorageShare, { maxContextEntries, maxUnpackedContextBytes }: ContextLimits) {
  const limits = { maxEntries: maxContextEntries, maxFileBytes: maxUnpackedContextBytes };
  return { team, limits, take: async () => {} };
}

async function spooled(
  bytes: AsyncIterable<Buffer>,
  blobs: Pick<BlobStore, 'tempPath'>,
  options: SpoolOptions,
): Promise<TarSpool> {
  try {
    return await TarSpool.of(bytes, blobs, options);
  } catch (error) {
    throw tarProblem(error);
  }
}

/** @param count counts bytes, and returns how many there are so far */
async function* limited(
  source: AsyncIterable<Buffer>,
  maxBytes: number,
  count: (bytes: number) => number,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    if (count(chunk.length) > maxBytes)
      throw fieldProblem('body_too_large', 'context', `more than ${maxBytes} bytes`, `at most ${maxBytes} bytes`);
    yield chunk;
  }
}
