import type { StepRecord } from '@kiln/contracts';
import { timeOf, type Vertex } from './solve-status.ts';

const LAST_OUTPUT_CHARS = 1_000;

/** One vertex, as it stood when BuildKit last spoke of it. A vertex may start and complete more than once. */
export class Step {
  readonly number: number;
  /** With secrets masked. */
  readonly name: string;
  /** Why it failed by itself, with secrets masked; absent where it was stopped because something else ended the build. */
  error: string | undefined;
  cached = false;
  /** Whether it has started and not yet completed. */
  running = false;
  /** The end of what it printed, with secrets masked. */
  lastOutput = '';
  #startedAt: number | undefined;
  #completedAt: number | undefined;

  constructor(number: number, name: string) {
    this.number = number;
    this.name = name;
  }

  pending(now: number): StepRecord {
    return this.#record('pending', now);
  }

  /** Takes over when `vertex` started. A cached step is not shown as started: it did nothing. */
  start(vertex: Vertex): StepRecord[] {
    const started = timeOf(vertex.started);
    if (started === undefined || started === this.#startedAt) return [];
    this.#startedAt = started;
    this.running = true;
    return vertex.cached || this.cached ? [] : [this.#record('started', started)];
  }

  /** Takes over how `vertex` ended, if it did. */
  finish(vertex: Vertex, now: number, mask: (text: string) => string): StepRecord[] {
    const completed = timeOf(vertex.completed);
    const wasRunning = this.running;
    if (completed !== undefined) this.running = false;
    if (vertex.cached && !this.cached) {
      this.cached = true;
      this.#completedAt = completed;
      return [this.#record('cached', completed ?? now)];
    }
    if (completed === undefined || completed === this.#completedAt) return [];
    const isTold = this.#completedAt !== undefined && !wasRunning;
    this.#completedAt = completed;
    if (vertex.error) return [this.#failed(vertex.error, completed, mask)];
    this.error = undefined;
    // BuildKit may say anew that a vertex is complete, some time later and without having started it again.
    return this.cached || isTold ? [] : [{ ...this.#record('completed', completed), ms: this.#since(completed) }];
  }

  said(text: string): void {
    this.lastOutput = (this.lastOutput + text).slice(-LAST_OUTPUT_CHARS);
  }

  #failed(error: string, completed: number, mask: (text: string) => string): StepRecord {
    const message = mask(error);
    const state = isCanceled(error) ? 'canceled' : 'failed';
    if (state === 'failed') this.error = message;
    return { ...this.#record(state, completed), ms: this.#since(completed), error: message };
  }

  #since(completed: number): number {
    return Math.max(0, completed - (this.#startedAt ?? completed));
  }

  #record(state: StepRecord['state'], t: number): StepRecord {
    return { t, type: 'step', step: this.number, name: this.name, state };
  }
}

function isCanceled(error: string): boolean {
  return /\bcontext canceled\b/i.test(error);
}

const INSTRUCTION = /^\[(?:[^\]]* )?\d+\/\d+\] (\S+)/;

/** `[2/4] RUN …`, `[build 3/5] COPY …`, `[linux/amd64 build 1/2] FROM …`: an instruction of the Dockerfile. */
export function isDockerfileStep(name: string): boolean {
  return INSTRUCTION.test(name);
}

/** A step that does work a cache can save. Not FROM: BuildKit says `cached` of it or not whether anything was pulled or not. */
export function isCountedStep(name: string): boolean {
  const instruction = INSTRUCTION.exec(name)?.[1];
  return instruction !== undefined && instruction !== 'FROM';
}
