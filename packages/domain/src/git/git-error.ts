/** Why git failed. */
export type GitFault =
  /** The repository has no such branch, tag or commit. */
  | 'ref_missing'
  | 'subdir_missing'
  /** Credentials are missing, or were refused. */
  | 'auth_refused'
  /** There is no such repository, or the credentials may not see it: servers answer both in the same way. */
  | 'repository_missing'
  /** The server redirects the client. */
  | 'redirected'
  /** The server sent more than is allowed. */
  | 'too_large'
  /** Git is not installed. */
  | 'git_missing'
  /** Anything else: no connection, no answer, or an answer that isn't a git server's. */
  | 'unreachable';

export interface GitError {
  readonly fault: GitFault;
  /** The first line of git's own message; undefined if there is none. */
  readonly message: string | undefined;
}

/** Messages of git, or of BuildKit about git, for each fault; the first match decides. */
const FAULTS: readonly (readonly [RegExp, GitFault])[] = [
  [/git: (?:command )?not found$/m, 'git_missing'],
  [/invalid subdir /, 'subdir_missing'],
  [
    /reference is not a tree|repository does not contain ref|couldn't find remote ref|not our ref|unadvertised object|no such remote ref/i,
    'ref_missing',
  ],
  [
    /could not read (?:Username|Password)|Authentication failed|returned error: 40[13]\b|HTTP 40[13]\b|Permission denied|terminal prompts disabled/i,
    'auth_refused',
  ],
  [/returned error: 30[1278]\b|unable to update url base from redirection/i, 'redirected'],
  [
    /' not found|Repository not found|returned error: 404\b|does not appear to be a git repository/i,
    'repository_missing',
  ],
  [/File too large|signal 25|file size limit|Out of memory, (?:malloc|realloc|calloc) failed/i, 'too_large'],
];

/**
 * Classifies what git printed on stderr. Its exit code is 128 for everything, so only the text tells; it has to be in English (`LC_ALL=C`).
 * Used both for git as Kiln runs it and for git as BuildKit does.
 */
export function classifyGitError(stderr: string): GitError {
  const fault = FAULTS.find(([pattern]) => pattern.test(stderr))?.[1] ?? 'unreachable';
  return { fault, message: /^(?:fatal|error|remote): (.*)$/m.exec(stderr)?.[1] };
}
