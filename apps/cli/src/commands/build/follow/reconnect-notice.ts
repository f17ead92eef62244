/** A shorter interruption isn't worth a message, ms. */
const WORTH_TELLING_MS = 1_000;

/** Says once that the connection to a log was lost, and once that the log goes on, however many tries it takes. */
export class ReconnectNotice {
  readonly #say: (message: string) => void;
  #told = false;

  constructor(say: (message: string) => void) {
    this.#say = say;
  }

  /** The connection was lost; the next try is after `delayMs`. */
  lost(error: unknown, delayMs: number): void {
    if (this.#told || delayMs <= WORTH_TELLING_MS) return;
    this.#told = true;
    this.#say(`${error instanceof Error ? error.message : String(error)}; reconnecting`);
  }

  /** A record has arrived. */
  heard(): void {
    if (!this.#told) return;
    this.#told = false;
    this.#say('reconnected; the log goes on where it was');
  }
}
