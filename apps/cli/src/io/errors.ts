/** The command line, or something that it names, is wrong. The message says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command line doesn't match the command's usage, so the message is followed by a pointer to its help. */
export class FlagError extends UsageError {}
