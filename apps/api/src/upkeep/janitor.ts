import type { Logger } from 'pino';
import type { Blobs } from '../ports.ts';

export interface Retention {
  readonly logRetentionMs: number;
  readonly contextRetentionMs: number;
  readonly artifactRetentionMs: number;
  readonly tempRetentionMs: number;
}

/** Deletes what nobody has used for as long as `retention` says. Answers how many blobs went. */
export async function clearAway(
  blobs: Pick<Blobs, 'list' | 'stat' | 'delete'>,
  retention: Retention,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const ages: readonly [prefix: string, maxMs: number][] = [
    ['logs', retention.logRetentionMs],
    ['contexts', retention.contextRetentionMs],
    ['artifacts', retention.artifactRetentionMs],
    // Uploads whose process died under them.
    ['tmp', retention.tempRetentionMs],
  ];
  let deleted = 0;
  for (const [prefix, maxMs] of ages) {
    for await (const key of blobs.list(prefix)) {
      if (signal.aborted) return deleted;
      const info = await blobs.stat(key);
      if (!info || now - info.usedAt <= maxMs) continue;
      await blobs.delete(key);
      deleted += 1;
      log.info({ key, sizeBytes: info.sizeBytes, unusedMs: Math.round(now - info.usedAt) }, 'blob cleared away');
    }
  }
  return deleted;
}
