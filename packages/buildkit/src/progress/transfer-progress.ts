import type { LogRecord } from '@kiln/contracts';
import { timeOf, type VertexStatus } from '../control/solve-status.ts';

export type TransferRecord = Extract<LogRecord, { type: 'status' }>;

/** People don't read a counter faster than this. */
const MIN_INTERVAL_MS = 200;

/** Reduces the progress of each transfer to one record per `MIN_INTERVAL_MS`, and always the last one. */
export class TransferProgress {
  readonly #shownAt = new Map<string, number>();
  readonly #withheld = new Map<string, TransferRecord>();

  /** Returns the record of a status, unless the transfer's last record is too recent. */
  push(step: number, status: VertexStatus, now: number, mask: (text: string) => string): TransferRecord[] {
    const name = mask(status.name || status.id);
    const key = `${step} ${name}`;
    const done = timeOf(status.completed) !== undefined;
    const t = timeOf(status.completed) ?? timeOf(status.timestamp) ?? now;
    const record: TransferRecord = {
      t,
      type: 'status',
      step,
      name,
      current: status.current ?? 0,
      total: status.total ?? 0,
      done,
    };
    const due = t - (this.#shownAt.get(key) ?? Number.NEGATIVE_INFINITY) >= MIN_INTERVAL_MS;
    if (!done && !due) {
      this.#withheld.set(key, record);
      return [];
    }
    this.#withheld.delete(key);
    this.#shownAt.set(key, t);
    return [record];
  }

  /** Returns the withheld records of a step that has ended. */
  end(step: number): TransferRecord[] {
    const records: TransferRecord[] = [];
    for (const [key, record] of this.#withheld) {
      if (record.step === step) {
        records.push(record);
        this.#withheld.delete(key);
      }
    }
    return records;
  }
}
