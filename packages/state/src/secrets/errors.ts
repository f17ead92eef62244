import type { Failure } from '@kiln/domain';

/** A team has reached its limit of stored secrets. */
export class TooManySecrets extends Error {
  readonly code = 'too_many_secrets';
  readonly most: number;
  constructor(most: number) {
    super(`a team may store at most ${most} secrets`);
    this.most = most;
  }
}

/** A build can't get a secret that it names; `failure` is that of the build. */
export class SecretsUnavailable extends Error {
  readonly code = 'secrets_unavailable';
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
