const HEAD_LINES = 20;
const TAIL_LINES = 200;

/** Keeps the first and the last of buildx's plain lines, so that a build can't fill the memory with them. */
export class PlainLines {
  readonly #head: string[] = [];
  readonly #tail: string[] = [];

  push(line: string): void {
    if (this.#head.length < HEAD_LINES) {
      this.#head.push(line);
      return;
    }
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
  }

  list(): string[] {
    return [...this.#head, ...this.#tail];
  }
}
