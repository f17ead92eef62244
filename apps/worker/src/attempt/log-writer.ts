import type { LogRecord } from '@kiln/contracts';
import { type AttemptRef, LogBehind, type LogStore, persist } from '@kiln/state';

/** How long a record may wait for others in its batch, ms. */
const BATCH_MS = 25;
/** A batch of this size is sent at once, in characters of JSON. */
const BATCH_CHARS = 64 * 1024;
/** How much may wait for Redis before the build is held up, in characters of JSON. */
const BUFFER_CHARS = 1024 * 1024;
/** How much of what Redis has accepted is kept for sending it again, in characters of JSON: a failover may lose the last writes. */
const KEPT_CHARS = 1024 * 1024;
/** How many placeholders of lost records are written at once. */
const LOST_BATCH = 1_000;

/**
 * Writes an attempt's log in numbered, ordered batches. A batch that Redis doesn't accept is sent again until it does. Meanwhile, and while
 * Redis has no room for this log, at most `BUFFER_CHARS` wait; then the build is held up, and nothing is dropped. Records that Redis
 * accepted and has lost are sent again, or replaced by notes if they are too old to be kept here. After a write that can never succeed
 * (`StaleAttempt`, or a damaged log) all further writes are refused.
 */
export class LogWriter {
  readonly #logs: Pick<LogStore, 'append'>;
  readonly #ref: AttemptRef;
  readonly #maxBytes: number;
  readonly #onFailure: (error: Error) => void;
  #bytes = 0;
  #lines: string[] = [];
  #chars = 0;
  #seq = 0;
  #sentAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #failure: unknown;
  #isFlushing = false;
  /** The last batches that Redis has accepted, oldest first. */
  #kept: Batch[] = [];
  #keptChars = 0;

  /**
   * @param maxBytes the log's limit: output beyond it is omitted
   * @param onFailure called whenever a batch has failed and will be sent again
   */
  constructor(
    logs: Pick<LogStore, 'append'>,
    ref: AttemptRef,
    maxBytes = Number.POSITIVE_INFINITY,
    onFailure: (error: Error) => void = () => {},
  ) {
    this.#logs = logs;
    this.#ref = ref;
    this.#maxBytes = maxBytes;
    this.#onFailure = onFailure;
  }

  /** Adds a record. If it returns a promise, wait for it before the next record. @throws the error with which an earlier write was refused */
  write(record: LogRecord): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const line = JSON.stringify(this.#withinLimit(record));
    if (line === undefined) return;
    this.#lines.push(line);
    this.#chars += line.length;
    if (this.#chars >= BATCH_CHARS) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), this.#untilDue());
    if (this.#chars > BUFFER_CHARS) return this.#waitForRoom();
  }

  /** Applies the limit to the build's output; steps, Kiln's notes and the end are always kept. */
  #withinLimit(record: LogRecord): LogRecord | undefined {
    if (record.type !== 'output' && record.type !== 'status' && record.type !== 'warning') return record;
    const isOver = this.#bytes > this.#maxBytes;
    this.#bytes += isOver ? 0 : Buffer.byteLength(JSON.stringify(record));
    if (this.#bytes <= this.#maxBytes) return record;
    return isOver ? undefined : { t: record.t, type: 'note', message: cutMessage(this.#maxBytes) };
  }

  /** Writes what is left and waits for it. These last records don't wait for room in Redis, so that the attempt can end. */
  async flush(): Promise<void> {
    this.#isFlushing = true;
    while (this.#lines.length > 0 || this.#sending) {
      this.#send();
      await this.#sending;
      if (this.#failure !== undefined) throw this.#failure;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** 0 after a quiet time: then the first record is sent at once, together with those of the same turn of the event loop. */
  #untilDue(): number {
    return Math.max(0, this.#sentAt + BATCH_MS - performance.now());
  }

  async #waitForRoom(): Promise<void> {
    while (this.#chars > BUFFER_CHARS && this.#failure === undefined) {
      this.#send();
      await this.#sending;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending || this.#lines.length === 0 || this.#failure !== undefined) return;
    const lines = this.#takeBatch();
    const firstSeq = this.#seq + 1;
    this.#seq += lines.length;
    this.#sentAt = performance.now();
    const batch = { firstSeq, lines };
    this.#sending = persist(() => this.#append(batch), this.#onFailure)
      .then(() => this.#keep(batch))
      .catch((error: unknown) => {
        this.#failure = error;
        this.#lines = [];
        this.#chars = 0;
      })
      .finally(() => {
        this.#sending = undefined;
        if (this.#chars >= BATCH_CHARS) this.#send();
        else if (this.#lines.length > 0) this.#timer ??= setTimeout(() => this.#send(), this.#untilDue());
      });
  }

  async #append({ firstSeq, lines }: Batch): Promise<void> {
    const append = (seq: number, records: readonly string[]) =>
      this.#logs.append(this.#ref, seq, records, { isLast: () => this.#isFlushing });
    try {
      await append(firstSeq, lines);
    } catch (error) {
      if (!(error instanceof LogBehind)) throw error;
      const kept = this.#kept.filter((batch) => batch.firstSeq + batch.lines.length - 1 > error.lastSeq);
      const keptFrom = kept[0]?.firstSeq ?? firstSeq;
      for (let seq = error.lastSeq + 1; seq < keptFrom; seq += LOST_BATCH) {
        await append(seq, Array(Math.min(LOST_BATCH, keptFrom - seq)).fill(LOST_RECORD));
      }
      for (const batch of kept) {
        const there = Math.max(0, error.lastSeq + 1 - batch.firstSeq);
        await append(batch.firstSeq + there, batch.lines.slice(there));
      }
      await append(firstSeq, lines);
    }
  }

  #keep(batch: Batch): void {
    this.#kept.push(batch);
    this.#keptChars += charsOf(batch);
    while (this.#keptChars > KEPT_CHARS && this.#kept.length > 1) {
      const oldest = this.#kept.shift();
      this.#keptChars -= oldest ? charsOf(oldest) : 0;
    }
  }

  #takeBatch(): string[] {
    let chars = 0;
    const end = this.#lines.findIndex((line) => {
      chars += line.length;
      return chars >= BATCH_CHARS;
    });
    const batch = end < 0 ? this.#lines : this.#lines.slice(0, end + 1);
    this.#lines = end < 0 ? [] : this.#lines.slice(end + 1);
    this.#chars -= batch.reduce((sum, line) => sum + line.length, 0);
    return batch;
  }
}

interface Batch {
  readonly firstSeq: number;
  readonly lines: readonly string[];
}

function charsOf({ lines }: Batch): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}

/** Replaces a record that is stored nowhere any more. */
const LOST_RECORD = JSON.stringify({
  t: 0,
  type: 'note',
  message: 'a log record was lost by Redis',
} satisfies LogRecord);

function cutMessage(maxBytes: number): string {
  return `the log has reached its limit of ${maxBytes} bytes; further output is omitted, and the build continues`;
}
