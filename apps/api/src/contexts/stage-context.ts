import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { contextKey } from '@kiln/contracts';
import { ALL_TEAMS, type Principal } from '@kiln/domain';
import type { EntryTree } from '@kiln/trees';
import { type Complaint, fieldComplaint } from '../http/complaint.ts';
import type { Blobs, ContextTeams } from '../ports.ts';
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
  /** Makes it a context of the store; it is durable when this answers. */
  keep(): Promise<void>;
}

/**
 * Streams a context to disk, through a hash and the reader of tars that the worker unpacks it by; a piece at a time is in memory.
 * Whatever goes wrong, nothing is left behind.
 * @throws Complaint `context_invalid`, `context_incomplete`, `body_too_large`; the file system's errors (ENOSPC)
 */
export async function stageContext(
  source: AsyncIterable<Buffer>,
  blobs: Blobs,
  limits: StagingLimits,
): Promise<StagedContext> {
  const temp = await blobs.tempPath();
  try {
    return await receive(source, temp, blobs, limits);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
}

async function receive(
  source: AsyncIterable<Buffer>,
  temp: string,
  blobs: Blobs,
  { maxContextBytes, ...limits }: StagingLimits,
): Promise<StagedContext> {
  const hash = createHash('sha256');
  await using file = await open(temp, 'wx', 0o600);
  let sizeBytes = 0;
  async function* kept(): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxContextBytes) {
        throw fieldComplaint(
          'body_too_large',
          'context',
          `more than ${maxContextBytes} bytes`,
          `at most ${maxContextBytes} bytes`,
        );
      }
      hash.update(chunk);
      await file.writeFile(chunk);
      yield chunk;
    }
  }
  const tree = await inspectContext(kept(), limits);
  await file.datasync();
  const digest = `sha256:${hash.digest('hex')}`;
  return {
    digest,
    sizeBytes,
    tree,
    keep: () => blobs.adopt(temp, contextKey(digest)),
    [Symbol.asyncDispose]: () => rm(temp, { force: true }),
  };
}

/**
 * Whether `principal` may name a context by its digest. One of another team is not found: neither what is in it nor that it is there
 * is told. @throws Complaint `context_not_found`
 */
export async function requireGrant(digest: string, { team }: Principal, contextTeams: ContextTeams): Promise<void> {
  if (team !== ALL_TEAMS && !(await contextTeams.has(digest, team))) throw contextNotFound(digest);
}

/** @throws Complaint `context_not_found`; looking at it counts as a use, so it isn't cleared away under the build */
export async function requireContext(digest: string, blobs: Blobs): Promise<void> {
  const stream = await blobs.open(contextKey(digest));
  if (!stream) throw contextNotFound(digest);
  stream.destroy();
}

function contextNotFound(digest: string): Complaint {
  return fieldComplaint(
    'context_not_found',
    ['source', 'digest'],
    digest,
    'a context that is stored here: upload it again',
  );
}
