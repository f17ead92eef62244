import type { BuildStore, PoolEvents, StoredBuild } from '@kiln/state';

/** How often each watched build is read without an event, ms: events may be missed while Redis is away. */
const LOOK_AGAIN_MS = 5_000;

interface Waiter {
  readonly until: (build: StoredBuild) => boolean;
  readonly resolve: (build: StoredBuild | undefined) => void;
}

interface Watched {
  readonly waiters: Set<Waiter>;
  readonly timer: NodeJS.Timeout;
  /** An event arrived during a read, which may therefore be stale. */
  again: boolean;
  reading: boolean;
}

/** Waits for conditions on builds. However many callers wait for a build, its record is read once per event. */
export class BuildWatch implements Disposable {
  readonly #builds: Pick<BuildStore, 'get'>;
  readonly #watched = new Map<string, Watched>();
  readonly #subscription: Disposable;
  readonly #lookAgainMs: number;

  constructor(builds: Pick<BuildStore, 'get'>, events: Pick<PoolEvents, 'subscribe'>, lookAgainMs = LOOK_AGAIN_MS) {
    this.#builds = builds;
    this.#lookAgainMs = lookAgainMs;
    this.#subscription = events.subscribe((event) => {
      if (event.type === 'build') this.#look(event.id);
    });
  }

  /** Resolves to the build as soon as `until` returns true for it; to undefined if there is no such build or `signal` aborts first. */
  async until(
    id: string,
    until: (build: StoredBuild) => boolean,
    signal: AbortSignal,
  ): Promise<StoredBuild | undefined> {
    if (signal.aborted) return undefined;
    const { promise, resolve } = Promise.withResolvers<StoredBuild | undefined>();
    const waiter = { until, resolve };
    const giveUp = () => resolve(undefined);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#add(id, waiter);
    this.#look(id);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#remove(id, waiter);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const { waiters } of this.#watched.values()) for (const { resolve } of waiters) resolve(undefined);
  }

  #add(id: string, waiter: Waiter): void {
    const watched = this.#watched.get(id) ?? {
      waiters: new Set<Waiter>(),
      timer: setInterval(() => this.#look(id), this.#lookAgainMs),
      again: false,
      reading: false,
    };
    watched.waiters.add(waiter);
    this.#watched.set(id, watched);
  }

  #remove(id: string, waiter: Waiter): void {
    const watched = this.#watched.get(id);
    watched?.waiters.delete(waiter);
    if (!watched || watched.waiters.size > 0) return;
    clearInterval(watched.timer);
    this.#watched.delete(id);
  }

  #look(id: string): void {
    const watched = this.#watched.get(id);
    if (!watched) return;
    if (watched.reading) watched.again = true;
    else void this.#read(id, watched);
  }

  async #read(id: string, watched: Watched): Promise<void> {
    watched.reading = true;
    do {
      watched.again = false;
      // A failed read wakes nobody: the next one may succeed.
      const build = await this.#builds.get(id).catch(() => 'unknown' as const);
      if (build === 'unknown') continue;
      for (const { until, resolve } of watched.waiters) if (!build || until(build)) resolve(build);
    } while (watched.again && watched.waiters.size > 0);
    watched.reading = false;
  }
}
