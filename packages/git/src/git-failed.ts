import type { GitFault } from '@kiln/domain';

/** `host_refused`: the server's address isn't allowed. */
export type GitFailedFault = GitFault | 'host_refused';

/** A repository can't be read; the message has its URL and the reason. */
export class GitFailed extends Error {
  readonly fault: GitFailedFault;
  /** Whether a retry may succeed later. */
  readonly isPassing: boolean;

  constructor(fault: GitFailedFault, message: string, isPassing: boolean) {
    super(message);
    this.fault = fault;
    this.isPassing = isPassing;
  }
}
