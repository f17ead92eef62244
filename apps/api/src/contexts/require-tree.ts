import type { TreeStore, TreeTotals } from '@kiln/blobs';
import {
  byteString,
  type Digest,
  type DirectoryNode,
  MAX_BUILD_FILE_BYTES,
  quoted,
  resolveInTree,
  shownBytes,
} from '@kiln/trees';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';

type StoredTrees = Pick<TreeStore, 'tree' | 'file' | 'directory'>;

/** A time is 8 bytes: see `encodeTimes`. */
const TIME_BYTES = 8;

interface NamedTree {
  readonly digest: Digest;
  readonly times: Digest | undefined;
  readonly dockerfile: string;
}

/**
 * Checks that a team has the tree that its request names, with the Dockerfile and the times. That counts as a use: nothing of it is deleted before the
 * build. What other teams have makes no difference.
 * @throws ApiProblem `context_not_found`, `context_invalid`
 */
export async function requireTree(
  team: string,
  { digest, times, dockerfile }: NamedTree,
  trees: StoredTrees,
): Promise<TreeTotals> {
  const totals = await trees.tree(team, digest);
  if (!totals) throw notFound('digest', digest, 'the digest of a stored context; upload it again');
  await requireDockerfile(digest, dockerfile, totals.entries, (each) => trees.directory(team, each));
  if (times === undefined) return totals;
  const bytes = await trees.file(team, times);
  if (bytes === undefined) throw notFound('times', times, 'the digest of a stored file; upload it again');
  if (bytes !== totals.entries * TIME_BYTES)
    throw fieldProblem(
      'context_invalid',
      ['source', 'times'],
      `a file of ${bytes} bytes`,
      `${TIME_BYTES} bytes for each of ${totals.entries} entries`,
    );
  return totals;
}

/**
 * Checks that the Dockerfile is a file in the tree, as it is found through links, and not too large to be read.
 * @param read returns a directory of the tree @throws ApiProblem `context_invalid`
 */
export async function requireDockerfile(
  root: Digest,
  dockerfile: string,
  entries: number,
  read: (digest: Digest) => Promise<DirectoryNode>,
): Promise<void> {
  const path = byteString(dockerfile);
  const found = await resolveInTree(root, path, read);
  if (found.type === 'outside') {
    const link = shownBytes(found.link);
    const how = found.link === path ? 'a symbolic link' : `a path through the symbolic link ${quoted(link)}`;
    throw fieldProblem(
      'context_invalid',
      ['context', dockerfile],
      `${how} that leads out of the context`,
      'a file inside the context',
    );
  }
  if (found.type === 'missing' || found.entry.type !== 'file')
    throw fieldProblem(
      'context_invalid',
      'dockerfile',
      dockerfile,
      `a file in the context, which has ${entries} entries`,
    );
  if (found.entry.sizeBytes > MAX_BUILD_FILE_BYTES)
    throw fieldProblem(
      'context_invalid',
      ['context', dockerfile],
      `a file of ${found.entry.sizeBytes} bytes`,
      `at most ${MAX_BUILD_FILE_BYTES} bytes`,
    );
}

function notFound(field: string, got: string, expected: string): ApiProblem {
  return fieldProblem('context_not_found', ['source', field], got, expected);
}
