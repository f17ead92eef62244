import type { TreePart } from './parts-stream.ts';
import type { Digest } from './tree-entry.ts';

/** Objects of trees to read. */
export interface WantedParts {
  readonly directories: readonly Digest[];
  readonly files: readonly Digest[];
}

/** Where the objects of a team's trees are stored. */
export interface TreeReader {
  /** Reads objects in any order. @throws TreePartMissing for one that isn't stored (any longer) */
  read(wanted: WantedParts, signal?: AbortSignal): AsyncIterable<TreePart>;
}

/** An object of a tree isn't stored. */
export class TreePartMissing extends Error {
  readonly code = 'tree_part_missing';
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`${digest} is not stored`);
    this.name = 'TreePartMissing';
    this.digest = digest;
  }
}
