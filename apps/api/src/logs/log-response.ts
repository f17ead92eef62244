import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';

/** Bytes to a fast client after which other work gets a turn: nothing else would interrupt it. */
const TURN_BYTES = 256 * 1024;

/** Writes a log to a response. Waits for a slow client, and buffers no more than the chunk that it couldn't take at once. */
export class LogResponse implements Disposable {
  readonly #response: ServerResponse;
  readonly #heartbeat: NodeJS.Timeout | undefined;
  #wrote = false;
  #drained: (() => void) | undefined;
  #sinceTurn = 0;

  /** `beat.text` is written after each `beat.everyMs` without other output. */
  constructor(response: ServerResponse, beat?: { readonly text: string; readonly everyMs: number }) {
    this.#response = response;
    const resume = () => this.#drained?.();
    response.on('drain', resume);
    response.on('close', resume);
    if (beat) this.#heartbeat = setInterval(() => this.#beat(beat.text), beat.everyMs);
  }

  /** Resolves when the client can take more, or has disconnected. */
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
    // A client that is behind already has bytes pending; more would only pile up.
    if (!this.#wrote && !this.#drained && !this.#response.destroyed) this.#response.write(text);
    this.#wrote = false;
  }
}

/**
 * Disconnects a client that has read nothing of the pending output for `idleMs`. A slow reader keeps its connection, as does a client without
 * pending output: TCP keep-alive detects whether that one is gone.
 */
export function dropStalled(response: ServerResponse, idleMs: number): void {
  response.setTimeout(idleMs, () => {
    if (response.writableLength > 0) response.destroy();
    else response.socket?.setTimeout(idleMs);
  });
}
