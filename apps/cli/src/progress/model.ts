import type { LogRecord } from '@kiln/contracts';

/** A transfer inside a step. */
export interface Transfer {
  readonly name: string;
  readonly current: number;
  readonly total: number;
  readonly done: boolean;
}

/** What is known of one step of the attempt under way. Times in ms by the host's clock. */
export interface Step {
  readonly number: number;
  name: string;
  state: 'pending' | 'started' | 'completed' | 'cached' | 'failed' | 'canceled';
  startedAt: number | undefined;
  ms: number | undefined;
  error: string | undefined;
  readonly transfers: Map<string, Transfer>;
  /** The last lines of output, the unfinished one last. */
  readonly tail: Tail;
}

/** As many lines as BuildKit itself shows of a failed step, and a little more. */
const TAIL_LINES = 20;
const MAX_LINE_CHARS = 4_096;

/** The end of a text that comes in chunks. */
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

  /** The last `count` lines that aren't empty, with when they began (ms). */
  last(count: number): readonly { readonly at: number; readonly text: string }[] {
    return count > 0 ? this.#lines.filter(({ text }) => text.trim() !== '').slice(-count) : [];
  }
}

/** Reduces a build's records to what a person wants to see of them. */
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

  /** The first step that failed by itself; others are canceled in its wake. */
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
