import { type IdentifiedLogRecord, PlainRenderer } from '@kiln/contracts';
import type { Channel } from '../io/output.ts';

/** Shows a build's progress. Only `record` shows the log; everything else is a message of the CLI. */
export interface ProgressView {
  /** Shows a message, such as a warning or a lost connection. */
  say(message: string): void;
  /** Shows how many bytes of the context have been read, to find out what has changed. */
  reading(readBytes: number, totalBytes: number): void;
  /** Shows how many bytes of the context's content are sent; 0 begins. The total is undefined for a pipe. */
  uploading(sentBytes: number, totalBytes: number | undefined): void;
  /** Ends what `reading` and `uploading` show, and says what the context was and what of it was sent. */
  uploaded(summary: string): void;
  /** Shows why the build waits for a host. `queue`: its place in the queue and expected start; shown if not empty, and no reason to show the same reason again. */
  waiting(reason: string, queue?: string): void;
  /** Shows on which host the build runs, and why. Views without it don't show that. */
  placed?(text: string): void;
  record(record: IdentifiedLogRecord): void;
  /** Shows that a cancel was requested. */
  canceling(): void;
  /** Ends the display and restores the terminal. Can be called twice. */
  close(): void;
}

export const CANCELING = 'canceling the build; Ctrl-C again exits immediately';

/** Shows the same as `docker buildx build --progress=plain`. */
export class PlainView implements ProgressView {
  readonly #err: Channel;
  #renderer = new PlainRenderer();
  #waiting = '';

  constructor(err: Channel) {
    this.#err = err;
  }

  say(message: string): void {
    this.#err.line(`kiln: ${message}`);
  }

  reading(): void {}
  uploading(): void {}

  uploaded(summary: string): void {
    this.say(summary);
  }

  waiting(reason: string, queue = ''): void {
    if (reason === this.#waiting) return;
    this.#waiting = reason;
    this.say(waitingText(reason, queue));
  }

  record(record: IdentifiedLogRecord): void {
    this.#waiting = '';
    this.#err.write(this.#renderer.render(withoutFailure(record)));
    if (record.type === 'end' && record.state === 'queued') this.#renderer = new PlainRenderer();
  }

  canceling(): void {
    this.say(CANCELING);
  }

  close(): void {}
}

/** `waiting: 3rd in the queue, starts in about 40s: every host that fits is full`. */
export function waitingText(reason: string, queue: string): string {
  return `waiting: ${queue === '' ? '' : `${queue}: `}${reason}`;
}

/** Removes why a step or the build failed: that is shown once, at the very end, with the output of the failed step. */
function withoutFailure(record: IdentifiedLogRecord): IdentifiedLogRecord {
  if (record.type === 'step' && record.state === 'failed') return { ...record, error: 'failed' };
  return record.type === 'end' && record.state !== 'queued' ? { ...record, failure: undefined } : record;
}

/** After how many reasons for waiting, one every 2 s, the quiet view shows one. */
const QUIET_WAITS = 5;

/** Shows only problems. */
export class QuietView implements ProgressView {
  readonly #err: Channel;
  #waits = 0;

  constructor(err: Channel) {
    this.#err = err;
  }

  say(message: string): void {
    this.#err.line(`kiln: ${message}`);
  }

  reading(): void {}
  uploading(): void {}
  uploaded(): void {}

  /** Says once why the build waits, if that takes long: silence for minutes looks like a hang. */
  waiting(reason: string, queue = ''): void {
    if (++this.#waits === QUIET_WAITS) this.say(waitingText(reason, queue));
  }

  record(): void {}

  canceling(): void {
    this.say(CANCELING);
  }

  close(): void {}
}

/** Prints log records unchanged, one JSON object per line. */
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

  reading(): void {}
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
