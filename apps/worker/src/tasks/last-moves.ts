/** How long a drained worker with caches waits for the leader to say anything about them, ms: leaders of older versions never do. */
const UNMARKED_MS = 60_000;
/** How long it stays for tasks and for its caches to move at most, ms. What hasn't moved by then is lost with the host. */
const LIMIT_MS = 15 * 60_000;

/** A drained host without builds. */
export interface DrainedHost {
  /** Whether a task runs. */
  readonly isBusy: boolean;
  /** Whether it has no caches that could move, or the leader has said that they have moved. */
  readonly isMoved: boolean;
  /** Whether the leader has said anything about this drain. */
  readonly isMarked: boolean;
}

/**
 * Decides when a drained worker may leave: once its tasks have ended, and the leader has said that its caches have moved. Until then the pool
 * copies those that no other host has.
 */
export class LastMoves {
  readonly #unmarkedMs: number;
  readonly #onTime: () => void;
  #idleSince: number | undefined;
  #quietSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param onTime called when `areOver` has become true by time alone */
  constructor(onTime: () => void, unmarkedMs = UNMARKED_MS) {
    this.#unmarkedMs = unmarkedMs;
    this.#onTime = onTime;
  }

  /** Returns whether the host may leave. */
  areOver({ isBusy, isMoved, isMarked }: DrainedHost): boolean {
    clearTimeout(this.#timer);
    if (!isBusy && isMoved) return true;
    const now = performance.now();
    this.#idleSince ??= now;
    this.#quietSince ??= now;
    const untilLimit = this.#idleSince + LIMIT_MS - now;
    const untilQuiet = this.#quietSince + this.#unmarkedMs - now;
    const left = isBusy || isMarked ? untilLimit : Math.min(untilLimit, untilQuiet);
    if (left <= 0) return true;
    this.#timer = setTimeout(this.#onTime, left);
    return false;
  }

  /** A task has ended; another one may follow. */
  taskEnded(): void {
    this.#quietSince = undefined;
  }

  /** Starts over, because the host has builds, or takes them again. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#idleSince = undefined;
    this.#quietSince = undefined;
  }
}
