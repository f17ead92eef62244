/** The exit codes of `kiln`. */
export const EXIT = {
  ok: 0,
  /** The build failed. */
  buildFailed: 1,
  /** The condition that was waited for did not occur. */
  notDone: 1,
  /** A configuration or an event is not valid. */
  invalid: 1,
  /** A newer build of the same concurrency key superseded the build. A code of its own, so that CI can treat it as success. */
  superseded: 3,
  /** Wrong usage, or the API refused or didn't respond. Docker uses the same code. */
  usage: 125,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;
