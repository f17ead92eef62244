/** What an archive is refused for. `entry` as it stands in the archive, where one is at fault; `expected` says what would be accepted. */
export class TarFault extends Error {
  readonly code: 'tar_fault' | 'tar_cut_off' = 'tar_fault';
  readonly entry: string | undefined;
  readonly got: string;
  readonly expected: string;

  constructor(got: string, expected: string, entry?: string) {
    super(
      `${entry === undefined ? '' : `entry ${JSON.stringify(shortened(entry))}: `}got ${got}, expected ${expected}`,
    );
    this.name = 'TarFault';
    this.entry = entry;
    this.got = got;
    this.expected = expected;
  }
}

/** The archive ends before its closing blocks, or its compressed stream does. */
export class TarCutOff extends TarFault {
  override readonly code = 'tar_cut_off';
  /** `the tar is cut off`. */
  readonly what: string;

  constructor(what: string) {
    super(what, 'the whole archive');
    this.what = what;
  }
}

const SHOWN_CHARS = 120;

/** A name as messages show it. */
export function shortened(name: string): string {
  return name.length > SHOWN_CHARS ? `${name.slice(0, SHOWN_CHARS)}…` : name;
}

/** A quoted name, as messages show it. */
export function quoted(name: string): string {
  return JSON.stringify(shortened(name));
}
