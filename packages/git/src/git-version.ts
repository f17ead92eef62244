import { gitEnvironment } from './git-environment.ts';
import { GitFailed } from './git-failed.ts';
import { runGit } from './run-git.ts';

/** The first version with `http.curloptResolve`; older ones ignore the setting and resolve the name themselves. */
const OLDEST: readonly [number, number] = [2, 37];
const TIMEOUT_MS = 10_000;

let known: Promise<void> | undefined;

/** Makes sure that git is installed, and new enough to be restricted to addresses. Checked once per process. @throws GitFailed `git_missing` */
export function requireGit(): Promise<void> {
  known ??= askVersion().catch((error: unknown) => {
    known = undefined;
    throw error;
  });
  return known;
}

async function askVersion(): Promise<void> {
  const end = await runGit(['--version'], {
    cwd: '/',
    env: gitEnvironment({ protocol: 'https', config: {} }),
    timeoutMs: TIMEOUT_MS,
    maxFileBytes: 0,
    maxOutputBytes: 1024,
    signal: new AbortController().signal,
  });
  const fault = end.ok
    ? versionFault(end.output.toString())
    : 'git isn’t installed on Kiln’s machine, or isn’t in its PATH';
  if (fault !== undefined) throw new GitFailed('git_missing', fault, false);
}

/** Returns why a git of this version can’t be used; undefined if it can. */
export function versionFault(printed: string): string | undefined {
  const [, major, minor] = /^git version (\d+)\.(\d+)/.exec(printed) ?? [];
  const [oldestMajor, oldestMinor] = OLDEST;
  const isNewEnough =
    major !== undefined &&
    (Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor));
  if (isNewEnough) return undefined;
  return `${printed.trim().slice(0, 100) || 'git'} can’t be restricted to checked addresses: got an older version, expected git ${OLDEST.join('.')} or later`;
}
