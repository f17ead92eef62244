import type { Failure } from '@kiln/domain';
import { type StopCause, stopCause } from './build-stop.ts';

/** Why a run is ended before its time: it was told to stop, or something around it failed. */
export type HaltReason =
  | { readonly type: 'stop'; readonly cause: StopCause }
  | { readonly type: 'fault'; readonly failure: Failure };

/** The one place where a run learns that it has to end. The first reason stands. */
export class Halt {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #reason: HaltReason | undefined;
  readonly #onOuterAbort = () => this.#set({ type: 'stop', cause: stopCause(this.#outer.reason) });

  constructor(outer: AbortSignal, timeoutMs: number) {
    this.#outer = outer;
    this.#timer = setTimeout(() => this.#set({ type: 'stop', cause: 'timeout' }), timeoutMs);
    if (outer.aborted) this.#onOuterAbort();
    else outer.addEventListener('abort', this.#onOuterAbort, { once: true });
  }

  get reason(): HaltReason | undefined {
    return this.#reason;
  }

  /** Aborted when there is a reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  fail(failure: Failure): void {
    this.#set({ type: 'fault', failure });
  }

  #set(reason: HaltReason): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#onOuterAbort);
  }
}
