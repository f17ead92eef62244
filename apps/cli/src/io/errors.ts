/** The command line, or what it names, is wrong. The message says what to do instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Ends the process with a code after everything there is to say has been said. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}
