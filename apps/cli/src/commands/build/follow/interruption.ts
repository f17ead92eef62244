import { EXIT } from '../../../io/exit-codes.ts';
import type { Io } from '../../../io/output.ts';

/** Handles Ctrl-C during a build: the first requests a cancel, the second exits immediately. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #stop: () => void;

  /** `beforeExit` runs before the second Ctrl-C exits, to restore the terminal. */
  constructor(io: Io, beforeExit: () => void) {
    this.#stop = io.onInterrupt(() => {
      if (!this.requested) return this.#controller.abort(new Interrupted());
      beforeExit();
      io.exitNow(EXIT.interrupted);
    });
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborts at the first Ctrl-C. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
