/** A loop's sign of life: it is alive while its last success is no older than `limitMs`, and not before the first one. */
export class Pulse {
  readonly limitMs: number;
  readonly #now: () => number;
  #lastAt: number | undefined;

  /** @param now a clock in ms that never goes back */
  constructor(limitMs: number, now: () => number = () => performance.now()) {
    this.limitMs = limitMs;
    this.#now = now;
  }

  /** Called by the loop after each round that did what it should. */
  beat(): void {
    this.#lastAt = this.#now();
  }

  /** Time since the last success in ms, undefined before the first. */
  get ageMs(): number | undefined {
    return this.#lastAt === undefined ? undefined : this.#now() - this.#lastAt;
  }

  get alive(): boolean {
    return this.ageMs !== undefined && this.ageMs <= this.limitMs;
  }
}
