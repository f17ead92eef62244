import type { Failure } from '@kiln/domain';

/** A team may keep no more secrets. */
export class TooManySecrets extends Error {
  readonly code = 'too_many_secrets';
  readonly most: number;
  constructor(most: number) {
    super(`at most ${most} secrets`);
    this.most = most;
  }
}

/** A build can't have what it asks for; the failure is the build's. */
export class SecretsUnavailable extends Error {
  readonly code = 'secrets_unavailable';
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
