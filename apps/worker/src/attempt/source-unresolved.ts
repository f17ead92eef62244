import type { Failure } from '@kiln/domain';

/** A git source that can't be resolved to a commit, or not be fetched; the failure is the build's. */
export class SourceUnresolved extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
