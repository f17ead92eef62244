import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { contextKey } from '@kiln/contracts';
import { ALL_TEAMS, type Principal } from '@kiln/domain';
import type { BlobStore, ContextTeams, MeteredBlobs, MeteredUpload, StorageShare } from '@kiln/state';
import type { EntryTree } from '@kiln/trees';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { type ContextLimits, inspectContext } from './inspect-context.ts';

export interface StagingLimits extends ContextLimits {
  /** As it is sent. */
  readonly maxContextBytes: number;
}

/** A context that has arrived whole and was found good, but isn't stored yet. Disposing of it removes what wasn't kept. */
export interface StagedContext extends AsyncDisposable {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly tree: EntryTree;
  /** Makes it a context of the store, counted for `share`; it is durable when this answers. @throws StorageQuotaExceeded */
  keep(share: StorageShare): Promise<void>;
}

/**
 * Streams a context to disk, through a hash and the reader of tars that the worker unpacks it by; a piece at a time is in memory. It counts for `share`, where that is
 * known already, while it comes. Whatever goes wrong, nothing is left behind.
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
 * Whether `principal` may name a context by its digest. One of another team is not found: neither what is in it nor that it is there
 * is told. @throws ApiProblem `context_not_found`
 */
export async function requireGrant(digest: string, { team }: Principal, contextTeams: Pick<ContextTeams, 'has'>): Promise<void> {
  if (team !== ALL_TEAMS && !(await contextTeams.has(digest, team))) throw contextNotFound(digest);
}

/** @throws ApiProblem `context_not_found`; looking at it counts as a use, so it isn't cleared away under the build */
export async function requireContext(digest: string, blobs: Pick<BlobStore, 'open'>): Promise<void> {
  const stream = await blobs.open(contextKey(digest));
  if (!stream) throw contextNotFound(digest);
  stream.destroy();
}

function contextNotFound(digest: string): ApiProblem {
  return fieldProblem(
    'context_not_found',
    ['source', 'digest'],
    digest,
    'a context that is stored here: upload it again',
  );
}
