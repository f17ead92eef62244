/** What the shell sees. Told to people in `kiln build --help`. */
export const EXIT = {
  ok: 0,
  /** The build ran, and failed. */
  buildFailed: 1,
  /** What was waited for did not come about. */
  notDone: 1,
  /** A wrong command line, or an API that refused or didn't answer: docker's own code for this. */
  usage: 125,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;
