import type { BlobStore, ListedBlob } from '@kiln/blobs';
import { TRACES_PREFIX } from '@kiln/contracts';
import { pMapIterable } from 'p-map';
import type { Logger } from 'pino';

export interface Retention {
  readonly logRetentionMs: number;
  readonly contextRetentionMs: number;
  readonly artifactRetentionMs: number;
  readonly tempRetentionMs: number;
}

/** Blobs that are checked or deleted at once: few enough for a disk that serves others meanwhile. */
const AT_ONCE = 16;

/** Deletes blobs that have been unused for longer than their `retention`. Returns the number of deleted blobs. */
export async function pruneBlobs(
  blobs: Pick<BlobStore, 'list' | 'stat' | 'delete' | 'deleteLeftovers'>,
  retention: Retention,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const ages: readonly [prefix: string, maxMs: number][] = [
    ['logs', retention.logRetentionMs],
    [TRACES_PREFIX, retention.logRetentionMs],
    ['contexts', retention.contextRetentionMs],
    ['artifacts', retention.artifactRetentionMs],
  ];
  let deleted = 0;
  for (const [kind, maxMs] of ages) {
    const { blobs: count, bytes } = await prune(blobs, kind, now - maxMs, signal);
    deleted += count;
    if (count > 0) log.info({ kind, blobs: count, bytes }, 'unused blobs deleted');
    if (signal.aborted) break;
  }
  const leftovers = signal.aborted ? 0 : await blobs.deleteLeftovers(now - retention.tempRetentionMs);
  if (leftovers > 0) log.info({ leftovers }, 'leftovers of uploads deleted');
  return deleted + leftovers;
}

async function prune(
  blobs: Pick<BlobStore, 'list' | 'stat' | 'delete'>,
  kind: string,
  unusedSince: number,
  signal: AbortSignal,
): Promise<{ blobs: number; bytes: number }> {
  const pruneOne = async ({ key, usedAt }: ListedBlob): Promise<number | undefined> => {
    if (signal.aborted || usedAt >= unusedSince) return undefined;
    // Again, because it may have been used since it was listed.
    const info = await blobs.stat(key);
    if (!info || info.usedAt >= unusedSince) return undefined;
    await blobs.delete(key);
    return info.sizeBytes;
  };
  const pruned = { blobs: 0, bytes: 0 };
  for await (const bytes of pMapIterable(blobs.list(kind), pruneOne, { concurrency: AT_ONCE })) {
    if (signal.aborted) break;
    if (bytes === undefined) continue;
    pruned.blobs += 1;
    pruned.bytes += bytes;
  }
  return pruned;
}
