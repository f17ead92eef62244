import type { LogRecord } from '@kiln/contracts';
import type { RunRequest } from './builder-options.ts';
import type { Halt } from './halt.ts';
import { messageOf } from './message-of.ts';

/** After a halt the last records are still delivered, but a sink that hangs must not keep the run from ending. */
const GRACE_MS = 5_000;
/** Whoever lost the lease may not write any more in any case. */
const FENCED_GRACE_MS = 250;

/** Hands records on one after the other, and waits where the sink asks for it. */
export class RecordSink {
  readonly #sink: RunRequest['sink'];
  readonly #halt: Halt;
  #closed = false;
  #release: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sink: RunRequest['sink'], halt: Halt) {
    this.#sink = sink;
    this.#halt = halt;
    halt.signal.addEventListener('abort', () => {
      const fenced = halt.reason?.type === 'stop' && halt.reason.cause === 'fence';
      this.#timer = setTimeout(() => this.#close(), fenced ? FENCED_GRACE_MS : GRACE_MS);
    });
  }

  async deliver(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      if (this.#closed) return;
      try {
        const taken = this.#sink(record);
        if (taken) await this.#wait(taken);
      } catch (error) {
        this.#halt.fail({ code: 'infrastructure', message: `the log could not be written: ${messageOf(error)}` });
        this.#close();
      }
    }
  }

  #wait(taken: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#release = resolve;
      taken.then(resolve, reject);
    });
  }

  #close(): void {
    this.#closed = true;
    this.#release?.();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
