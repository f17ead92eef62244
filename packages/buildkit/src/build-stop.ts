/** `fence`: the worker may no longer run it. `drain`: the host is to stop what runs; elsewhere it runs again. */
export type StopCause = 'cancel' | 'timeout' | 'fence' | 'drain';

/** Reason to hand to `AbortController.abort` so that a run knows why it has to stop. */
export class BuildStop extends Error {
  readonly stop: StopCause;

  constructor(stop: StopCause) {
    super(`build stopped: ${stop}`);
    this.name = 'BuildStop';
    this.stop = stop;
  }
}

/** Why `signal` was aborted. Anything that isn't a `BuildStop`, or one of its words, counts as a cancel. */
export function stopCause(reason: unknown): StopCause {
  if (reason instanceof BuildStop) return reason.stop;
  return reason === 'timeout' || reason === 'fence' || reason === 'drain' ? reason : 'cancel';
}
