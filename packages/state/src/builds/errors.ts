/** An `Idempotency-Key` that was used before, for another request. */
export class IdempotencyKeyReused extends Error {
  readonly code = 'idempotency_key_reused';
  readonly buildId: string;
  constructor(buildId: string) {
    super(`the key was used for another request, build ${buildId}`);
    this.buildId = buildId;
  }
}

/** A write of an attempt that is no longer the build's live one: the host lost it, or never had it. */
export class StaleAttempt extends Error {
  readonly code = 'stale_attempt';
  constructor(buildId: string, attempt: number) {
    super(`attempt ${attempt} of build ${buildId} is no longer live`);
  }
}

/** A write of a scheduler that no longer leads. */
export class NotLeader extends Error {
  readonly code = 'not_leader';
  constructor() {
    super('another scheduler leads');
  }
}

/** Redis held what Kiln never writes: damage, or another version's data. */
export class CorruptState extends Error {
  readonly code = 'corrupt_state';
}

/** A build's request is of another version of Kiln: this one doesn't know all that it asks for, and must not build it. */
export class RequestNotUnderstood extends Error {
  readonly code = 'request_not_understood';
  constructor(buildId: string, issue: string) {
    super(`the request of build ${buildId} is of another version of Kiln: ${issue}`);
  }
}

/** As many builds of its team, or of who submits it, wait already as may. */
export class QueueFull extends Error {
  readonly code = 'queue_full';
  readonly whose: 'team' | 'token';
  readonly limit: number;
  constructor(whose: 'team' | 'token', limit: number) {
    super(`${limit} builds of the ${whose} wait already`);
    this.whose = whose;
    this.limit = limit;
  }
}
