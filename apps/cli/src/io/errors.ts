/** The command line, or what it names, is wrong. The message says what to do instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The flags themselves are wrong: the command's help says how they are meant. */
export class FlagError extends UsageError {}
