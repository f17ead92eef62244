import type { Failure } from '@kiln/domain';

/** A git source can't be resolved to a commit or fetched, and the build fails with `failure`. */
export class SourceUnresolved extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
