/** `fence`: the worker has lost its lease. `drain`: the host is being drained, and the build runs again elsewhere. */
export type StopCause = 'cancel' | 'timeout' | 'fence' | 'drain';

/** Reason for `AbortController.abort` that tells a run why it is stopped. */
export class BuildStop extends Error {
  readonly stop: StopCause;

  constructor(stop: StopCause) {
    super(`build stopped: ${stop}`);
    this.name = 'BuildStop';
    this.stop = stop;
  }
}

/** Returns the cause in a signal's abort reason. Anything but a `BuildStop` or a cause's name counts as a cancel. */
export function stopCause(reason: unknown): StopCause {
  if (reason instanceof BuildStop) return reason.stop;
  return reason === 'timeout' || reason === 'fence' || reason === 'drain' ? reason : 'cancel';
}
