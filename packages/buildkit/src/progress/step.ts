import type { StepRecord } from '@kiln/contracts';
import { timeOf, type Vertex } from '../control/solve-status.ts';

const LAST_OUTPUT_CHARS = 1_000;

/** The last reported state of a vertex. A vertex may start and complete more than once. */
export class Step {
  readonly number: number;
  /** With secrets masked. */
  readonly name: string;
  /** Why it failed on its own, with secrets masked; undefined if it was stopped because something else ended the build. */
  error: string | undefined;
  cached = false;
  /** Whether it has started and hasn't completed. */
  running = false;
  /** The end of its output, with secrets masked. */
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

  /** Takes over the start of `vertex`. A cached step gets no `started` record, as it does nothing. */
  start(vertex: Vertex): StepRecord[] {
    const started = timeOf(vertex.started);
    if (started === undefined || started === this.#startedAt) return [];
    this.#startedAt = started;
    this.running = true;
    return vertex.cached || this.cached ? [] : [this.#record('started', started)];
  }

  /** Takes over the end of `vertex`, if it has ended. */
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
    const isReported = this.#completedAt !== undefined && !wasRunning;
    this.#completedAt = completed;
    if (vertex.error) return [this.#failed(vertex.error, completed, mask)];
    this.error = undefined;
    // BuildKit may report the completion of a vertex again later, without having restarted it.
    return this.cached || isReported ? [] : [{ ...this.#record('completed', completed), ms: this.#since(completed) }];
  }

  addOutput(text: string): void {
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

/** Whether a step is an instruction of the Dockerfile: `[2/4] RUN …`, `[build 3/5] COPY …`, `[linux/amd64 build 1/2] FROM …`. */
export function isDockerfileStep(name: string): boolean {
  return INSTRUCTION.test(name);
}

/** Whether a step does work that a cache can save. FROM doesn't count: BuildKit's `cached` doesn't tell whether it pulled anything. */
export function isCountedStep(name: string): boolean {
  const instruction = INSTRUCTION.exec(name)?.[1];
  return instruction !== undefined && instruction !== 'FROM';
}
