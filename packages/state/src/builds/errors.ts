/** An `Idempotency-Key` that was used for another request before. */
export class IdempotencyKeyReused extends Error {
  readonly code = 'idempotency_key_reused';
  readonly buildId: string;
  constructor(buildId: string) {
    super(`the key was used for another request, build ${buildId}`);
    this.buildId = buildId;
  }
}

/** A write for an attempt that isn't the build's live one: the host has lost it, or never had it. */
export class StaleAttempt extends Error {
  readonly code = 'stale_attempt';
  constructor(buildId: string, attempt: number) {
    super(`attempt ${attempt} of build ${buildId} is no longer live`);
  }
}

/** A write by a scheduler that no longer leads. */
export class NotLeader extends Error {
  readonly code = 'not_leader';
  constructor() {
    super('another scheduler leads');
  }
}

/** Data in Redis that this version of Kiln never writes: damaged, or of another version. */
export class CorruptState extends Error {
  readonly code = 'corrupt_state';
}

/** A build's request is of another version of Kiln and asks for something unknown to this one, which must not build it. */
export class RequestNotUnderstood extends Error {
  readonly code = 'request_not_understood';
  constructor(buildId: string, issue: string) {
    super(`the request of build ${buildId} is of another version of Kiln: ${issue}`);
  }
}

/** The team or the submitter has reached its limit of waiting builds. */
export class QueueFull extends Error {
  readonly code = 'queue_full';
  readonly whose: 'team' | 'token';
  readonly limit: number;
  constructor(whose: 'team' | 'token', limit: number) {
    super(`the ${whose} already has ${limit} waiting builds`);
    this.whose = whose;
    this.limit = limit;
  }
}
