import type { TreeStore, TreeTotals } from '@kiln/blobs';
import { type TargetsRequest, type TimedEntries, uploadedTrees } from '@kiln/contracts';
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
  readonly timed: TimedEntries;
  readonly dockerfile: string;
}

/**
 * Checks that a team has the tree that its request names, with the Dockerfile and the times. That counts as a use: nothing of it is deleted before the
 * build. What other teams have makes no difference.
 * @throws ApiProblem `context_not_found`, `context_invalid`
 */
export async function requireTree(
  team: string,
  { digest, times, timed, dockerfile }: NamedTree,
  trees: StoredTrees,
): Promise<TreeTotals> {
  const at = ['source'];
  const totals = await requireStoredTree(team, digest, at, trees);
  await requireDockerfile(digest, dockerfile, totals.entries, (each) => trees.directory(team, each));
  await requireTimes(team, { times, timed }, totals, at, trees);
  return totals;
}

/**
 * Checks that a team has the directories that a build names as further contexts, and those of its further targets, which counts as a use.
 * @returns the bytes of all their files @throws ApiProblem `context_not_found`, `context_invalid`
 */
export async function requireContexts(spec: TargetsRequest, trees: StoredTrees): Promise<number> {
  const { team } = spec;
  let fileBytes = 0;
  for (const { at, digest, times, timed, dockerfile } of uploadedTrees(spec)) {
    // The schema has checked their form.
    const totals = await requireStoredTree(team, digest as Digest, at, trees);
    if (dockerfile !== undefined)
      await requireDockerfile(digest as Digest, dockerfile, totals.entries, (each) => trees.directory(team, each), at);
    await requireTimes(team, { times: times as Digest | undefined, timed }, totals, at, trees);
    fileBytes += totals.fileBytes;
  }
  return fileBytes;
}

async function requireStoredTree(
  team: string,
  digest: Digest,
  at: readonly string[],
  trees: StoredTrees,
): Promise<TreeTotals> {
  const totals = await trees.tree(team, digest);
  if (!totals) throw notFound([...at, 'digest'], digest, 'the digest of a stored context; upload it again');
  return totals;
}

async function requireTimes(
  team: string,
  { times, timed }: Pick<NamedTree, 'times' | 'timed'>,
  { entries }: TreeTotals,
  at: readonly string[],
  trees: StoredTrees,
): Promise<void> {
  if (times === undefined) return;
  const field = [...at, 'times'];
  const bytes = await trees.file(team, times);
  if (bytes === undefined) throw notFound(field, times, 'the digest of a stored file; upload it again');
  // How many of the entries are directories or links isn't known here: the host counts them.
  const fits =
    timed === 'all' ? bytes === entries * TIME_BYTES : bytes % TIME_BYTES === 0 && bytes <= entries * TIME_BYTES;
  if (fits) return;
  const which = timed === 'all' ? `of ${entries} entries` : `directory and symbolic link among ${entries} entries`;
  throw fieldProblem('context_invalid', field, `a file of ${bytes} bytes`, `${TIME_BYTES} bytes for each ${which}`);
}

/**
 * Checks that the Dockerfile is a file in the tree, as it is found through links, and not too large to be read.
 * @param read returns a directory of the tree @param at the field of the tree, if it isn't the request's own @throws ApiProblem `context_invalid`
 */
export async function requireDockerfile(
  root: Digest,
  dockerfile: string,
  entries: number,
  read: (digest: Digest) => Promise<DirectoryNode>,
  at: readonly string[] = [],
): Promise<void> {
  const path = byteString(dockerfile);
  const found = await resolveInTree(root, path, read);
  if (found.type === 'outside') {
    const link = shownBytes(found.link);
    const how = found.link === path ? 'a symbolic link' : `a path through the symbolic link ${quoted(link)}`;
    throw fieldProblem(
      'context_invalid',
      [...at.slice(0, -1), 'context', dockerfile],
      `${how} that leads out of the context`,
      'a file inside the context',
    );
  }
  if (found.type === 'missing' || found.entry.type !== 'file')
    throw fieldProblem(
      'context_invalid',
      at.length === 0 ? 'dockerfile' : [...at.slice(0, -1), 'dockerfile'],
      dockerfile,
      `a file in the context, which has ${entries} entries`,
    );
  if (found.entry.sizeBytes > MAX_BUILD_FILE_BYTES)
    throw fieldProblem(
      'context_invalid',
      [...at.slice(0, -1), 'context', dockerfile],
      `a file of ${found.entry.sizeBytes} bytes`,
      `at most ${MAX_BUILD_FILE_BYTES} bytes`,
    );
}

function notFound(field: readonly string[], got: string, expected: string): ApiProblem {
  return fieldProblem('context_not_found', field, got, expected);
}
