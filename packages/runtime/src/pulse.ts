/** Tells whether a loop is alive: its last success is at most `limitMs` old. Before the first success it isn't. */
export class Pulse {
  readonly limitMs: number;
  readonly #now: () => number;
  #lastAt: number | undefined;

  /** @param now a monotonic clock, ms */
  constructor(limitMs: number, now: () => number = () => performance.now()) {
    this.limitMs = limitMs;
    this.#now = now;
  }

  /** Records a success of the loop. */
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
