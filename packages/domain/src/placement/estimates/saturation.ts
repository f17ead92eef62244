/** The share of recent time during which the pool had no free slot. */
export class Saturation {
  readonly #memoryMs: number;
  #share = 0;
  #at: number | undefined;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Counts the time up to `now`. Must be called before the pool changes, with its state until then. */
  advance(now: number, full: boolean): void {
    const since = now - (this.#at ?? now);
    this.#at = now;
    if (since <= 0) return;
    const level = full ? 1 : 0;
    this.#share = level + Math.exp(-since / this.#memoryMs) * (this.#share - level);
  }

  /** 0 to 1. */
  get share(): number {
    return this.#share;
  }
}
