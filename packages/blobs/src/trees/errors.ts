import type { Digest } from '@kiln/trees';
import type { ObjectKind } from './tree-keys.ts';

/** A directory names something that isn't stored, or not any longer. */
export class TreeIncomplete extends Error {
  readonly code = 'tree_incomplete';
  /** The directory that was to be stored. */
  readonly directory: Digest;
  readonly kind: ObjectKind;
  /** What is missing. */
  readonly digest: Digest;

  constructor(directory: Digest, kind: ObjectKind, digest: Digest) {
    super(`directory ${directory} names the ${kind} ${digest}, which is not stored`);
    this.name = 'TreeIncomplete';
    this.directory = directory;
    this.kind = kind;
    this.digest = digest;
  }
}

/** A file is to be continued at a place that isn't stored in this process (any longer). */
export class NoSuchBeginning extends Error {
  readonly code = 'no_such_beginning';
  readonly digest: Digest;
  readonly offset: number;
  readonly storedBytes: number;

  constructor(digest: Digest, offset: number, storedBytes: number) {
    super(`${digest} can't be continued at byte ${offset}: ${storedBytes} bytes of it are stored`);
    this.name = 'NoSuchBeginning';
    this.digest = digest;
    this.offset = offset;
    this.storedBytes = storedBytes;
  }
}

/** A blob isn't what its key says: the store has lost or mixed up content. */
export class StoreDamaged extends Error {
  readonly code = 'store_damaged';
  readonly digest: Digest;

  constructor(digest: Digest, got: string) {
    super(`the blob of directory ${digest}: got ${got}`);
    this.name = 'StoreDamaged';
    this.digest = digest;
  }
}
