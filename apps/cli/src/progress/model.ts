import type { LogRecord } from '@kiln/contracts';

/** A transfer inside a step. */
export interface Transfer {
  readonly name: string;
  readonly current: number;
  readonly total: number;
  readonly done: boolean;
}

/** The progress of a step of the current attempt. Times in ms by the host's clock. */
export interface Step {
  readonly number: number;
  name: string;
  state: 'pending' | 'started' | 'completed' | 'cached' | 'failed' | 'canceled';
  startedAt: number | undefined;
  ms: number | undefined;
  error: string | undefined;
  readonly transfers: Map<string, Transfer>;
  /** The last lines of output, including an unfinished one. */
  readonly tail: Tail;
}

/** Somewhat more lines than BuildKit shows of a failed step. */
const TAIL_LINES = 20;
const MAX_LINE_CHARS = 4_096;

/** Keeps the last lines of a text that arrives in chunks. */
export class Tail {
  readonly #lines: { at: number; text: string }[] = [];
  #open = false;

  push(data: string, at: number): void {
    const pieces = data.split('\n');
    for (const [i, piece] of pieces.entries()) {
      const last = this.#lines.at(-1);
      if (i === 0 && this.#open && last) last.text = (last.text + piece).slice(-MAX_LINE_CHARS);
      else if (i < pieces.length - 1 || piece !== '') this.#lines.push({ at, text: piece.slice(-MAX_LINE_CHARS) });
    }
    this.#open = pieces.at(-1) !== '';
    this.#lines.splice(0, this.#lines.length - TAIL_LINES);
  }

  /** Returns the last `count` non-empty lines with the time at which each began, in ms. */
  last(count: number): readonly { readonly at: number; readonly text: string }[] {
    return count > 0 ? this.#lines.filter(({ text }) => text.trim() !== '').slice(-count) : [];
  }
}

/** Reduces a build's log records to the state that is displayed. */
export class ProgressModel {
  readonly steps = new Map<number, Step>();

  apply(record: LogRecord): void {
    switch (record.type) {
      case 'step': {
        const step = this.#step(record.step);
        step.name = record.name;
        step.state = record.state;
        if (record.state === 'started') step.startedAt = record.t;
        step.ms = record.ms;
        step.error = record.error;
        return;
      }
      case 'output':
        this.#step(record.step).tail.push(record.data, record.t);
        return;
      case 'status': {
        const { name, current, total, done } = record;
        this.#step(record.step).transfers.set(name, { name, current, total, done });
        return;
      }
      case 'end':
        // The next attempt numbers its steps from 1 again.
        if (record.state === 'queued') this.steps.clear();
    }
  }

  /** The step that failed first. Other steps are canceled as a result. */
  get failed(): Step | undefined {
    return [...this.steps.values()].find(({ state }) => state === 'failed');
  }

  #step(number: number): Step {
    const known = this.steps.get(number);
    if (known) return known;
    const step: Step = {
      number,
      name: '',
      state: 'pending',
      startedAt: undefined,
      ms: undefined,
      error: undefined,
      transfers: new Map(),
      tail: new Tail(),
    };
    this.steps.set(number, step);
    return step;
  }
}
