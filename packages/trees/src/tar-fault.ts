/** Why an archive is rejected. `entry` is the faulty entry's name in the archive, if any; `expected` is what would be accepted. */
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

/** The archive, or its compressed stream, is truncated. */
export class TarCutOff extends TarFault {
  override readonly code = 'tar_cut_off';
  /** What is truncated: `the tar is cut off`. */
  readonly what: string;

  constructor(what: string) {
    super(what, 'the whole archive');
    this.what = what;
  }
}

const SHOWN_CHARS = 120;

/** Shortens a name for messages. */
export function shortened(name: string): string {
  return name.length > SHOWN_CHARS ? `${name.slice(0, SHOWN_CHARS)}…` : name;
}

/** Shortens and quotes a name for messages. */
export function quoted(name: string): string {
  return JSON.stringify(shortened(name));
}
