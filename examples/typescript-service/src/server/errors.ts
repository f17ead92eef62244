/** An expected refusal; the HTTP boundary maps the code to a status. */
export abstract class ServiceError extends Error {
  abstract readonly code: 'not_found' | 'revision_conflict' | 'in_use';
}

export class NotFound extends ServiceError {
  readonly code = 'not_found';

  constructor(kind: 'flag' | 'segment', key: string) {
    super(`there is no ${kind} "${key}"`);
  }
}

export class RevisionConflict extends ServiceError {
  readonly code = 'revision_conflict';

  constructor(expected: number, actual: number) {
    super(`the change was made to revision ${expected}, but the current one is ${actual}`);
  }
}

export class SegmentInUse extends ServiceError {
  readonly code = 'in_use';

  constructor(key: string, flags: readonly string[]) {
    super(`segment "${key}" is used by ${flags.join(', ')}`);
  }
}
