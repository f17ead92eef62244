import type { GitFault } from '@kiln/domain';

/** `host_refused`: the server's address may not be reached. */
export type GitFailedFault = GitFault | 'host_refused';

/** A repository that can't be read; the message names its URL and says why. */
export class GitFailed extends Error {
  readonly fault: GitFailedFault;
  /** Whether the same may succeed later. */
  readonly isPassing: boolean;

  constructor(fault: GitFailedFault, message: string, isPassing: boolean) {
    super(message);
    this.fault = fault;
    this.isPassing = isPassing;
  }
}
