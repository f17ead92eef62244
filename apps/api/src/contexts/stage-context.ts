import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { type BlobInfo, type BlobStore, noteUse } from '@kiln/blobs';
import { contextKey } from '@kiln/contracts';
import { ALL_TEAMS, type Principal } from '@kiln/domain';
import type { ContextTeams, MeteredBlobs, MeteredUpload, StorageShare } from '@kiln/state';
import type { EntryTree } from '@kiln/trees';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { type ContextLimits, inspectContext } from './inspect-context.ts';

export interface StagingLimits extends ContextLimits {
  /** Most bytes of a context as sent. */
  readonly maxContextBytes: number;
}

/** A context that has arrived completely and is valid, but isn't stored yet. Disposing of it removes what wasn't kept. */
export interface StagedContext extends AsyncDisposable {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly tree: EntryTree;
  /** Stores the context, counted for `share`; it is durable on return. @throws StorageQuotaExceeded */
  keep(share: StorageShare): Promise<void>;
}

/**
 * Streams a context to disk, hashing it and checking it with the worker's tar reader on the way; only a chunk at a time is in memory. Bytes
 * count for `share`, if already known, as they arrive. On any error nothing is left behind.
 * @throws ApiProblem `context_invalid`, `context_incomplete`, `body_too_large`; StorageQuotaExceeded, StorageFull; the file
 * system's errors (ENOSPC)
 */
export async function stageContext(
  source: AsyncIterable<Buffer>,
  blobs: MeteredBlobs,
  limits: StagingLimits,
  share: StorageShare | undefined,
): Promise<StagedContext> {
  const temp = await blobs.tempPath();
  await using left = new AsyncDisposableStack();
  left.defer(() => rm(temp, { force: true }));
  const upload = left.use(await blobs.beginUpload({ share }));
  const { digest, sizeBytes, tree } = await receive(source, temp, upload, limits);
  const kept = left.move();
  return {
    ...{ digest, sizeBytes, tree },
    keep: (owner) => blobs.adopt(temp, contextKey(digest), { upload, share: owner }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function receive(
  source: AsyncIterable<Buffer>,
  temp: string,
  upload: MeteredUpload,
  { maxContextBytes, ...limits }: StagingLimits,
): Promise<Pick<StagedContext, 'digest' | 'sizeBytes' | 'tree'>> {
  const hash = createHash('sha256');
  await using file = await open(temp, 'wx', 0o600);
  let sizeBytes = 0;
  async function* kept(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxContextBytes) {
        throw fieldProblem(
          'body_too_large',
          'context',
          `more than ${maxContextBytes} bytes`,
          `at most ${maxContextBytes} bytes`,
        );
      }
      await upload.take(chunk.length);
      hash.update(chunk);
      await file.writeFile(chunk);
      yield chunk;
    }
  }
  const tree = await inspectContext(kept(), limits);
  await file.datasync();
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes, tree };
}

/**
 * Checks that `principal` may name a context by its digest. Another team's context is reported as not found, which hides its existence.
 * @throws ApiProblem `context_not_found`
 */
export async function requireGrant(
  digest: string,
  { team }: Principal,
  contextTeams: Pick<ContextTeams, 'has'>,
): Promise<void> {
  if (team !== ALL_TEAMS && !(await contextTeams.has(digest, team))) throw contextNotFound(digest);
}

/** Checks that a context is stored. The check counts as a use, so the context isn't deleted before the build. @throws ApiProblem `context_not_found` */
export async function requireContext(
  digest: string,
  blobs: Pick<BlobStore, 'touch'>,
  retentionMs: number,
): Promise<BlobInfo> {
  const info = await noteUse(blobs, contextKey(digest), retentionMs);
  if (!info) throw contextNotFound(digest);
  return info;
}

function contextNotFound(digest: string): ApiProblem {
  return fieldProblem(
    'context_not_found',
    ['source', 'digest'],
    digest,
    'the digest of a stored context; upload it again',
  );
}
