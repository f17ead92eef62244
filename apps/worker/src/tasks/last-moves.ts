import type { HostTasks } from '@kiln/state';

/** How long a drained worker with caches waits for a task before it leaves, ms: the leader looks every second for caches to be moved. */
const QUIET_MS = 5_000;
/** How long it stays for tasks at most, ms. What it hasn't done by then is lost with the host. */
const LIMIT_MS = 15 * 60_000;

/**
 * Decides when a drained worker may leave: once its tasks have ended, and no further one has come for a while. Until then the pool moves
 * those of its caches that no other host has.
 */
export class LastMoves {
  readonly #quietMs: number;
  readonly #onQuiet: () => void;
  #idleSince: number | undefined;
  #quietSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param onQuiet called when `areOver` may have become true by time alone */
  constructor(onQuiet: () => void, quietMs = QUIET_MS) {
    this.#onQuiet = onQuiet;
    this.#quietMs = quietMs;
  }

  /**
   * Returns whether a host without builds may leave.
   * @param isBusy whether a task runs
   * @param mayMove whether it has caches that tasks could move
   */
  areOver(isBusy: boolean, mayMove: boolean): boolean {
    const now = performance.now();
    this.#idleSince ??= now;
    const untilLimit = this.#idleSince + LIMIT_MS - now;
    if (untilLimit <= 0) return true;
    if (isBusy) {
      this.#quietSince = undefined;
      return this.#wait(untilLimit);
    }
    if (!mayMove) return true;
    this.#quietSince ??= now;
    const left = this.#quietSince + this.#quietMs - now;
    return left <= 0 || this.#wait(left);
  }

  /** Whether the host has stayed as long as it may. */
  get isAtLimit(): boolean {
    return this.#idleSince !== undefined && performance.now() - this.#idleSince >= LIMIT_MS;
  }

  /** Another task may follow: one has ended, or another host is still being filled. */
  mayFollow(): void {
    this.#quietSince = undefined;
  }

  /** Starts over, because the host has builds, or takes them again. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#idleSince = undefined;
    this.#quietSince = undefined;
  }

  #wait(ms: number): false {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onQuiet, ms);
    return false;
  }
}

/** Returns whether a host is being filled with caches that this one has saved for it. The pool orders the next copy to it only after that. */
export async function isStillMoving(tasks: Pick<HostTasks, 'list' | 'get'>, host: string): Promise<boolean> {
  const saves = await tasks.list({ host, state: 'succeeded' });
  const seeds = saves.flatMap(({ order }) => (order.type === 'save' && order.seedAfter ? [order.seedAfter.task] : []));
  const found = await Promise.all(seeds.map((id) => tasks.get(id)));
  return found.some((seed) => seed !== undefined && seed.endedAt === undefined);
}
