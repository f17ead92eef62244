import type { PoolEvents } from '@kiln/state';

/** Wakes up requests that wait for a delivery to be processed. */
export class DeliveryWatch implements Disposable {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #subscription: Disposable;

  constructor(events: Pick<PoolEvents, 'subscribe'>) {
    this.#subscription = events.subscribe((event) => {
      if (event.type === 'delivery') for (const wake of this.#waiting.get(event.id) ?? []) wake();
    });
  }

  /** Starts to listen. `settled` resolves when the delivery has been processed, or after `ms`. Always dispose of it. */
  listen(id: string, ms: number, closing: AbortSignal): Disposable & { readonly settled: Promise<void> } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const all = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, all.add(resolve));
    const timer = setTimeout(resolve, ms);
    closing.addEventListener('abort', () => resolve(), { once: true });
    return {
      settled: promise,
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        resolve();
        all.delete(resolve);
        if (all.size === 0) this.#waiting.delete(id);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const all of this.#waiting.values()) for (const wake of all) wake();
  }
}
