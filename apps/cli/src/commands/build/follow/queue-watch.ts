import { setTimeout as delay } from 'node:timers/promises';
import type { KilnClient } from '@kiln/client';
import { waitingReason } from '../placement-text.ts';

const FIRST_MS = 700;
const EVERY_MS = 2_000;

/** Polls and shows why a build waits, until it is stopped. Errors are ignored: this is only for display. */
export class QueueWatch implements Disposable {
  readonly #client: KilnClient;
  readonly #id: string;
  readonly #show: (reason: string) => void;
  #watching: AbortController | undefined;

  constructor(client: KilnClient, id: string, show: (reason: string) => void) {
    this.#client = client;
    this.#id = id;
    this.#show = show;
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

  [Symbol.dispose](): void {
    this.stop();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let pauseMs = FIRST_MS; !signal.aborted; pauseMs = EVERY_MS) {
      try {
        await delay(pauseMs, undefined, { signal });
        const reason = waitingReason(await this.#client.placement(this.#id, { signal }));
        if (reason !== undefined && !signal.aborted) this.#show(reason);
      } catch {
        // Aborted or unreachable: following the log reports problems that matter.
      }
    }
  }
}
