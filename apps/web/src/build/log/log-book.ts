import { type IdentifiedLogRecord, PlainRenderer, parseLogId, type StepRecord } from '@kiln/contracts';

/** A step of an attempt, as far as it has come. Times in ms since the epoch, by BuildKit's clock. */
export interface LogStep {
  readonly attempt: number;
  readonly number: number;
  readonly name: string;
  readonly state: StepRecord['state'];
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly error?: string;
  /** The first line that is about it, from 0. */
  readonly line: number;
  /** The last line that is about it, so far. */
  readonly lastLine: number;
}

/**
 * The log of a build as it is shown: lines as `kiln logs` prints them, so that a line has the same number everywhere, and what they say about
 * each step. Grows by `add`.
 */
export class LogBook {
  readonly lines: string[] = [];
  /** By `<attempt>.<number>`, in the order in which they began. */
  readonly steps = new Map<string, LogStep>();
  /** Whether the last attempt has ended, so that nothing follows. */
  isOver = false;
  #renderer = new PlainRenderer();
  #attempt = 0;

  add(record: IdentifiedLogRecord): void {
    const attempt = parseLogId(record.id)?.attempt ?? 1;
    // Each attempt numbers its steps from 1.
    if (attempt !== this.#attempt) this.#renderer = new PlainRenderer();
    this.#attempt = attempt;
    const from = this.lines.length;
    const text = this.#renderer.render(record);
    if (text !== '') for (const line of text.slice(0, -1).split('\n')) this.lines.push(line);
    if (record.type === 'step') this.#step(attempt, record, from);
    if (record.type === 'output' || record.type === 'status') this.#extend(`${attempt}.${record.step}`);
    if (record.type === 'end') this.isOver = record.state !== 'queued';
  }

  #step(attempt: number, { step, name, state, t, ms, error }: StepRecord, from: number): void {
    const key = `${attempt}.${step}`;
    const before = this.steps.get(key);
    const hasEnded = state !== 'pending' && state !== 'started';
    const startedAt = state === 'started' ? t : (before?.startedAt ?? (hasEnded ? t - (ms ?? 0) : undefined));
    const endedAt = hasEnded ? (startedAt ?? t) + (ms ?? t - (startedAt ?? t)) : undefined;
    this.steps.set(key, {
      ...{ attempt, number: step, name, state },
      ...(startedAt !== undefined && { startedAt }),
      ...(endedAt !== undefined && { endedAt }),
      ...(error !== undefined && { error }),
      line: before && before.state !== 'pending' ? before.line : from,
      lastLine: Math.max(from, this.lines.length - 1),
    });
  }

  #extend(key: string): void {
    const step = this.steps.get(key);
    if (step) this.steps.set(key, { ...step, lastLine: Math.max(step.lastLine, this.lines.length - 1) });
  }
}
