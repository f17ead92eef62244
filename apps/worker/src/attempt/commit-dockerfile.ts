import { posix } from 'node:path';
import type { CommitDockerfile } from '@kiln/buildkit';
import type { BuildSpec } from '@kiln/contracts';
import { type GitGuard, openCommit } from '@kiln/git';
import { authorizationOf } from './resolve-git.ts';

const TIMEOUT_MS = 60_000;
/** Enough for a commit's directories, without the contents of files, and two files. */
const MAX_FETCH_BYTES = 256 * 1024 * 1024;
const MAX_DOCKERFILE_BYTES = 1024 * 1024;

interface Place {
  readonly url: string;
  readonly commit: string;
  readonly subdir?: string | undefined;
}

/**
 * Reads the Dockerfile of a commit as BuildKit finds it: `dockerfile` is read if there is no `Dockerfile`. Undefined if there is neither.
 * @throws GitFailed @throws Error if it is a symbolic link, below one, or too large
 */
export async function commitDockerfile(
  { url, commit, subdir = '' }: Place,
  { dockerfile }: Pick<BuildSpec, 'dockerfile'>,
  secrets: ReadonlyMap<string, string>,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<CommitDockerfile | undefined> {
  const limits = { timeoutMs: TIMEOUT_MS, maxFetchBytes: MAX_FETCH_BYTES, guard };
  await using files = await openCommit(
    { url, ref: commit, authorization: authorizationOf(url, secrets) },
    limits,
    signal,
  );
  const read = async (path: string): Promise<string | undefined> => {
    const isPlain = await files.isPlainFile(path);
    if (isPlain === undefined) return undefined;
    if (!isPlain) throw new Error(`${path} is a symbolic link, or below one`);
    const found = await files.read(path, MAX_DOCKERFILE_BYTES);
    if (found?.isWhole === false) throw new Error(`${path} is larger than ${MAX_DOCKERFILE_BYTES} bytes`);
    return found?.text;
  };
  for (const name of namesOf(posix.join(trimmed(subdir), dockerfile))) {
    const text = await read(name);
    if (text === undefined) continue;
    const ignore = await read(`${name}.dockerignore`);
    return { text, ...(ignore !== undefined && { ignore }) };
  }
  return undefined;
}

function namesOf(path: string): string[] {
  return posix.basename(path) === 'Dockerfile' ? [path, posix.join(posix.dirname(path), 'dockerfile')] : [path];
}

function trimmed(subdir: string): string {
  let path = posix.normalize(subdir === '' ? '.' : subdir);
  while (path.startsWith('/')) path = path.slice(1);
  return path === '' ? '.' : path;
}
