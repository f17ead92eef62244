/** What the shell sees. Told to people in `kiln build --help`. */
export const EXIT = {
  ok: 0,
  /** The build ran, and failed. */
  buildFailed: 1,
  /** What was waited for did not come about. */
  notDone: 1,
  /** A configuration or an event was looked at, and is not right. */
  invalid: 1,
  /** A newer build of the same concurrency key took its place. Of its own, so that CI can let it pass. */
  superseded: 3,
  /** A wrong command line, or an API that refused or didn't answer: docker's own code for this. */
  usage: 125,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;
