import { setTimeout as delay } from 'node:timers/promises';
import type { KilnClient } from '@kiln/client';
import { placedText, queueText, waitingReason } from '../placement-text.ts';

const FIRST_MS = 700;
const EVERY_MS = 2_000;

/** Where a watch shows what it finds out. */
export interface QueueDisplay {
  /** Shows why a build waits, and its place in the queue and expected start as `queue`, as far as they are known. */
  waiting(reason: string, queue: string): void;
  /** Shows on which host a build runs, and why. Absent: not shown, and not asked for. */
  placed?(text: string): void;
}

/**
 * Polls and shows why a build waits and when it is expected to start, until it has a host; then shows which, and why. Errors are ignored: this is
 * only for display.
 */
export class QueueWatch implements Disposable {
  readonly #client: KilnClient;
  readonly #id: string;
  readonly #display: QueueDisplay;
  readonly #now: () => number;
  readonly #closed = new AbortController();
  #watching: AbortController | undefined;

  /** @param now ms since the epoch */
  constructor(client: KilnClient, id: string, display: QueueDisplay, now: () => number = Date.now) {
    this.#client = client;
    this.#id = id;
    this.#display = display;
    this.#now = now;
  }

  start(): void {
    if (this.#watching) return;
    this.#watching = new AbortController();
    void this.#watch(this.#watching.signal);
  }

  stop(): void {
    this.#watching?.abort();
    this.#watching = undefined;
  }

  /** The build has begun: stops, and shows its host. */
  began(): void {
    this.stop();
    if (this.#display.placed) void this.#showHost(this.#closed.signal);
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#closed.abort();
  }

  async #showHost(signal: AbortSignal): Promise<void> {
    try {
      const text = placedText(await this.#client.placement(this.#id, { signal }));
      if (text !== undefined && !signal.aborted) this.#display.placed?.(text);
    } catch {
      // Aborted or unreachable: following the log reports problems that matter.
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let pauseMs = FIRST_MS; !signal.aborted; pauseMs = EVERY_MS) {
      try {
        await delay(pauseMs, undefined, { signal });
        const [placement, { waiting }] = await Promise.all([
          this.#client.placement(this.#id, { signal }),
          this.#client.get(this.#id, { signal }),
        ]);
        const reason = waitingReason(placement);
        if (reason === undefined || signal.aborted) continue;
        const queue = waiting ? queueText(waiting, this.#now()) : '';
        this.#display.waiting(reason, queue);
      } catch {
        // Aborted or unreachable: following the log reports problems that matter.
      }
    }
  }
}
