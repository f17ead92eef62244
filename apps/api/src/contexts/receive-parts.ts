import type { TreeStore, Written } from '@kiln/blobs';
import { teamTreesKey } from '@kiln/contracts';
import type { MeteredBlobs, StorageShare } from '@kiln/state';
import { readParts } from '@kiln/trees';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { treeProblem } from './tree-problems.ts';

export interface PartLimits {
  readonly maxUnpackedContextBytes: number;
  readonly maxContextEntries: number;
  /** Most bytes of all files of a tree, from the limits of team and credential. */
  readonly contextBytes: number | undefined;
}

/**
 * Stores a stream of parts as it arrives. They count for `share` as they arrive; in the end only those that weren't stored before. Also after an error,
 * those that arrived whole are stored, durably, and counted, as is the beginning of a large file, which can be continued.
 * @throws ApiProblem; StorageQuotaExceeded, StorageFull; the blob store's errors
 */
export async function receiveParts(
  bytes: AsyncIterable<Buffer>,
  { trees, blobs }: { readonly trees: TreeStore; readonly blobs: Pick<MeteredBlobs, 'beginUpload' | 'hold'> },
  share: StorageShare,
  limits: PartLimits,
): Promise<Written> {
  const { team } = share;
  // A tree has no more objects than entries; a divided directory has a part for each several entries. Those that are stored already cost a look-up each.
  const maxParts = 2 * limits.maxContextEntries + 1;
  let count = 0;
  // Each directory that is sent is in the context at least once, so the sum is known to be too large long before the root is sent.
  let entries = 0;
  const maxFileBytes = Math.min(limits.maxUnpackedContextBytes, limits.contextBytes ?? Number.POSITIVE_INFINITY);
  await using upload = await blobs.beginUpload({ share });
  await using writer = trees.write({
    team,
    limits: { maxEntries: limits.maxContextEntries, maxFileBytes },
    take: (count) => upload.take(count),
    hold: (count) => blobs.hold(team, count),
  });
  try {
    try {
      for await (const part of readParts(limited(bytes, limits.maxUnpackedContextBytes))) {
        count += 1;
        if (count > maxParts)
          throw fieldProblem('body_too_large', 'body', `more than ${maxParts} parts`, `at most ${maxParts} parts`);
        if (part.type === 'directory' && part.object.node.type === 'entries')
          entries += part.object.node.entries.length;
        if (entries > limits.maxContextEntries) throw tooManyEntries(limits);
        await writer.add(part);
      }
    } finally {
      try {
        await writer.flush();
      } finally {
        await upload.settleInto(teamTreesKey(team), writer.written.newBytes);
      }
    }
  } catch (error) {
    throw treeProblem(error);
  }
  return writer.written;
}

function tooManyEntries({ maxContextEntries }: PartLimits): ApiProblem {
  const expected = `at most ${maxContextEntries} entries; exclude files with .dockerignore`;
  return fieldProblem('context_invalid', 'body', `a context of more than ${maxContextEntries} entries`, expected);
}

async function* limited(bytes: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let count = 0;
  for await (const chunk of bytes) {
    count += chunk.length;
    if (count > maxBytes)
      throw fieldProblem('body_too_large', 'body', `more than ${maxBytes} bytes when unpacked`, `at most ${maxBytes}`);
    yield chunk;
  }
}
