import type { LogRecord } from '@kiln/contracts';
import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import type { RunRequest } from './run-request.ts';

/** After a halt the last records are still delivered, but a hanging sink must not keep the run from ending. */
const GRACE_MS = 5_000;
/** A worker that has lost its lease may not write any more. */
const FENCED_GRACE_MS = 250;

/** Delivers records to a sink one by one, and waits if the sink returns a promise. */
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
