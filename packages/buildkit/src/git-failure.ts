import type { Failure, FailureCode } from '@kiln/domain';

/** What git, or BuildKit about git, says of each fault; the first that fits. */
const FAULTS: readonly [RegExp, FailureCode, string][] = [
  [/invalid subdir /, 'git_subdir_missing', 'the repository has no such directory'],
  [
    /reference is not a tree|repository does not contain ref|couldn't find remote ref|not our ref|unadvertised object/,
    'git_ref_missing',
    'the repository has no such commit',
  ],
  [
    /could not read (?:Username|Password)|Authentication failed|returned error: 40[13]\b|Permission denied|terminal prompts disabled/i,
    'git_auth_failed',
    'the git server asks for other credentials',
  ],
  // Servers answer so also for a repository that the given credentials may not see.
  [
    /repository '[^']*' not found|Repository not found|returned error: 404\b|does not appear to be a git repository/i,
    'git_unreachable',
    'no such repository',
  ],
];

/**
 * Why a git source could not be had.
 * @param error of the step that loads the source, with git's own stderr
 * @param message buildx's last word, for what isn't known here
 */
export function classifyGit(error: string, message: string): Failure {
  const fault = FAULTS.find(([pattern]) => pattern.test(error));
  const detail = gitSaid(error) ?? message;
  const [, code, summary] = fault ?? [undefined, 'git_unreachable' as const, 'the repository could not be fetched'];
  return { code, message: `${summary}: ${detail}` };
}

/** git's first fatal line. */
function gitSaid(error: string): string | undefined {
  return /^(?:fatal|error): (.*)$/m.exec(error)?.[1];
}
