/** The least pace of a body: `leastBytes` in each `withinMs`. Without it, a byte now and then would hold a connection for ever. */
export interface Pace {
  readonly leastBytes: number;
  readonly withinMs: number;
}

/** Watches how fast a body arrives. Disposing of it stops the watch. */
export class BodyPace implements Disposable {
  readonly #pace: Pace;
  readonly #timer: NodeJS.Timeout;
  #received = 0;

  /** `onSlow` is called once when less than `leastBytes` arrived within `withinMs`. */
  constructor(pace: Pace, onSlow: () => void) {
    this.#pace = pace;
    this.#timer = setTimeout(onSlow, pace.withinMs);
  }

  add(bytes: number): void {
    this.#received += bytes;
    if (this.#received < this.#pace.leastBytes) return;
    this.#received = 0;
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
