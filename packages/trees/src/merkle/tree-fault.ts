/** Why a tree, or a stream of its parts, is rejected. `path` is the faulty name, if any; `expected` is what would be accepted. */
export class TreeFault extends Error {
  readonly code: 'tree_fault' | 'tree_cut_off' = 'tree_fault';
  readonly path: string | undefined;
  readonly got: string;
  readonly expected: string;

  constructor(got: string, expected: string, path?: string) {
    super(`${path === undefined ? '' : `${JSON.stringify(path)}: `}got ${got}, expected ${expected}`);
    this.name = 'TreeFault';
    this.path = path;
    this.got = got;
    this.expected = expected;
  }
}

/** A stream of parts ended early. */
export class TreeCutOff extends TreeFault {
  override readonly code = 'tree_cut_off';

  constructor() {
    super('a stream that is cut off', 'the whole stream');
  }
}
