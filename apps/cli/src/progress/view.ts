import { bytes, type IdentifiedLogRecord, PlainRenderer } from '@kiln/contracts';
import type { Channel } from '../io/output.ts';

/** Shows a build's progress. Everything but `record` is Kiln's own talk, not part of the log. */
export interface ProgressView {
  /** A line for the person: warnings, waiting, lost connections. */
  say(message: string): void;
  /** Bytes of the context sent so far; `total` is an estimate, undefined for a pipe. */
  uploading(sentBytes: number, totalBytes: number | undefined): void;
  uploaded(): void;
  /** Why the build waits for a host. */
  waiting(reason: string): void;
  record(record: IdentifiedLogRecord): void;
  /** The person asked to cancel, and the hosts are being told. */
  canceling(): void;
  /** Ends the display and gives the terminal back. May be called twice. */
  close(): void;
}

export const CANCELING = 'canceling the build; Ctrl-C again leaves at once';

/** As `docker buildx build --progress=plain`. */
export class PlainView implements ProgressView {
  readonly #err: Channel;
  #renderer = new PlainRenderer();
  #sentBytes = 0;
  #waiting = '';

  constructor(err: Channel) {
    this.#err = err;
  }

  say(message: string): void {
    this.#err.line(`kiln: ${message}`);
  }

  uploading(sentBytes: number): void {
    this.#sentBytes = sentBytes;
  }

  uploaded(): void {
    this.say(`context sent, ${bytes(this.#sentBytes)}`);
  }

  waiting(reason: string): void {
    if (reason === this.#waiting) return;
    this.#waiting = reason;
    this.say(`waiting: ${reason}`);
  }

  record(record: IdentifiedLogRecord): void {
    this.#waiting = '';
    // The failure itself is told at the very end, with the failed step's output.
    const { type } = record;
    const shown = type === 'end' && record.state === 'failed' ? { ...record, failure: undefined } : record;
    this.#err.write(this.#renderer.render(shown as IdentifiedLogRecord));
    if (type === 'end' && record.state === 'queued') this.#renderer = new PlainRenderer();
  }

  canceling(): void {
    this.say(CANCELING);
  }

  close(): void {}
}

/** Nothing but what is wrong. */
export class QuietView implements ProgressView {
  readonly #err: Channel;

  constructor(err: Channel) {
    this.#err = err;
  }

  say(message: string): void {
    this.#err.line(`kiln: ${message}`);
  }

  uploading(): void {}
  uploaded(): void {}
  waiting(): void {}
  record(): void {}

  canceling(): void {
    this.say(CANCELING);
  }

  close(): void {}
}

/** The log's records as they are, one JSON object a line. */
export class JsonView implements ProgressView {
  readonly #to: Channel;
  readonly #err: Channel;

  constructor(to: Channel, err: Channel) {
    this.#to = to;
    this.#err = err;
  }

  say(message: string): void {
    this.#err.line(`kiln: ${message}`);
  }

  uploading(): void {}
  uploaded(): void {}
  waiting(): void {}

  record(record: IdentifiedLogRecord): void {
    this.#to.line(JSON.stringify(record));
  }

  canceling(): void {
    this.say(CANCELING);
  }

  close(): void {}
}
