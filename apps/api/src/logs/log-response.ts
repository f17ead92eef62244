import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';

/** After so many bytes to a client that takes everything, the others have their turn: nothing else would interrupt. */
const TURN_BYTES = 256 * 1024;

/**
 * A response that a log is written to. Waits for a slow client; never holds more for it than the piece it couldn't take at once.
 */
export class LogResponse implements Disposable {
  readonly #response: ServerResponse;
  readonly #heartbeat: NodeJS.Timeout | undefined;
  #wrote = false;
  #drained: (() => void) | undefined;
  #sinceTurn = 0;

  /** `beat` is written in every `beatMs` in which nothing else was. */
  constructor(response: ServerResponse, beat?: { readonly text: string; readonly everyMs: number }) {
    this.#response = response;
    const resume = () => this.#drained?.();
    response.on('drain', resume);
    response.on('close', resume);
    if (beat) this.#heartbeat = setInterval(() => this.#beat(beat.text), beat.everyMs);
  }

  /** Comes back when the client has room for more, or has gone. */
  async write(bytes: Buffer | string): Promise<void> {
    this.#wrote = true;
    this.#sinceTurn += bytes.length;
    if (bytes.length === 0 || this.#response.write(bytes) || this.#response.destroyed) {
      if (this.#sinceTurn < TURN_BYTES) return;
      this.#sinceTurn = 0;
      await turn();
      return;
    }
    this.#sinceTurn = 0;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#drained = undefined;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
  }

  #beat(text: string): void {
    // A client that is behind has bytes on the way; more would only pile up.
    if (!this.#wrote && !this.#drained && !this.#response.destroyed) this.#response.write(text);
    this.#wrote = false;
  }
}

/**
 * Cuts off a client that has taken nothing for `idleMs` of what was written to it. One that reads slowly takes something, and
 * one to which nothing was written is left alone: whether it is still there is what TCP's own probes tell.
 */
export function dropStalled(response: ServerResponse, idleMs: number): void {
  response.setTimeout(idleMs, () => {
    if (response.writableLength > 0) response.destroy();
    else response.socket?.setTimeout(idleMs);
  });
}
