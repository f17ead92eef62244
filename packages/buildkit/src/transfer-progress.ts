import type { LogRecord } from '@kiln/contracts';
import { timeOf, type VertexStatus } from './solve-status.ts';

export type TransferRecord = Extract<LogRecord, { type: 'status' }>;

/** Nobody reads a counter faster than this. */
const MIN_INTERVAL_MS = 200;

/** Progress of transfers, thinned to one record in `MIN_INTERVAL_MS` for each, and the last one always. */
export class TransferProgress {
  readonly #shownAt = new Map<string, number>();
  readonly #withheld = new Map<string, TransferRecord>();

  /** The record of one status, unless the last one is too recent. */
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

  /** What was withheld of a step that has ended. */
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
