/** What is wrong, where git failed. */
export type GitFault =
  /** The repository is there, the branch, tag or commit isn't. */
  | 'ref_missing'
  | 'subdir_missing'
  /** Credentials are missing, or were refused. */
  | 'auth_refused'
  /** No such repository; servers also say so of one that the given credentials may not see. */
  | 'repository_missing'
  /** The server sends the client elsewhere. */
  | 'redirected'
  /** More was sent than may be. */
  | 'too_large'
  /** There is no git where Kiln runs. */
  | 'git_missing'
  /** Anything else: no connection, no answer, an answer that isn't a git server's. */
  | 'unreachable';

export interface GitComplaint {
  readonly fault: GitFault;
  /** Git's own words, one line; undefined where it said nothing that could be shown. */
  readonly said: string | undefined;
}

/** What git, or BuildKit about git, says of each fault; the first that fits. */
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
 * Reads what git printed on stderr. Its words decide, because its exit code is 128 for everything; they have to be in English (`LC_ALL=C`).
 * The one place that knows them, for git as Kiln runs it and for git as BuildKit does.
 */
export function readGitComplaint(stderr: string): GitComplaint {
  const fault = FAULTS.find(([pattern]) => pattern.test(stderr))?.[1] ?? 'unreachable';
  return { fault, said: /^(?:fatal|error|remote): (.*)$/m.exec(stderr)?.[1] };
}
