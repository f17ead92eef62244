/** How long the parts of some work took that follow each other, ms. */
export class Laps<Part extends string> {
  #at = performance.now();
  readonly taken: Partial<Record<Part, number>> = {};

  /** Ends a part, which began when the one before it ended. */
  end(part: Part): void {
    const now = performance.now();
    this.taken[part] = Math.round((now - this.#at) * 10) / 10;
    this.#at = now;
  }
}
