/** Who sends less within a time in which one may be silent is as good as silent: a byte now and then would hold a connection for ever. */
export interface Pace {
  readonly leastBytes: number;
  readonly withinMs: number;
}

/** Watches how fast a body comes. Disposing of it ends the watch. */
export class BodyPace implements Disposable {
  readonly #pace: Pace;
  readonly #timer: NodeJS.Timeout;
  #came = 0;

  /** `onSlow` is called once when less than `leastBytes` came within `withinMs`. */
  constructor(pace: Pace, onSlow: () => void) {
    this.#pace = pace;
    this.#timer = setTimeout(onSlow, pace.withinMs);
  }

  add(bytes: number): void {
    this.#came += bytes;
    if (this.#came < this.#pace.leastBytes) return;
    this.#came = 0;
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
