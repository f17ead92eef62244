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

  /** A task has ended: another one may follow. */
  taskEnded(): void {
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
