import type { BuilderFault, Failure } from '@kiln/domain';
import { type StopCause, stopCause } from './build-stop.ts';

/** Why a run is ended early: it was told to stop, or something that it depends on failed. */
export type HaltReason =
  | { readonly type: 'stop'; readonly cause: StopCause }
  /** `builder`: what is wrong with the builder, if that is why. */
  | { readonly type: 'fault'; readonly failure: Failure; readonly builder?: BuilderFault | undefined };

/** Ends a run early: on the outer signal, after the time-out, or by `fail`. The first reason counts. */
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

  /** Aborts as soon as there is a reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  fail(failure: Failure, builder?: BuilderFault): void {
    this.#set({ type: 'fault', failure, builder });
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
