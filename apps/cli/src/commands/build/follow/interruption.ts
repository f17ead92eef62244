import { EXIT } from '../../../io/exit-codes.ts';
import type { Io } from '../../../io/output.ts';

/** Ctrl-C during a build: the first one asks to cancel, the second leaves at once. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #stop: () => void;

  /** `beforeLeaving` runs at the second one, to give the terminal back. */
  constructor(io: Io, beforeLeaving: () => void) {
    this.#stop = io.onInterrupt(() => {
      if (!this.requested) return this.#controller.abort(new Interrupted());
      beforeLeaving();
      io.exitNow(EXIT.interrupted);
    });
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborts at the first one. */
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
