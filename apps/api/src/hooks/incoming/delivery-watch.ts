import type { PoolEvents } from '@kiln/state';

/** Tells who waits for a delivery that it has been worked on. */
export class DeliveryWatch implements Disposable {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #subscription: Disposable;

  constructor(events: Pick<PoolEvents, 'subscribe'>) {
    this.#subscription = events.subscribe((event) => {
      if (event.type === 'delivery') for (const wake of this.#waiting.get(event.id) ?? []) wake();
    });
  }

  /** Begins to listen; `settled` resolves when it has been worked on, or after `ms`. Dispose of it in any case. */
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
