import type { BuilderFault } from '@kiln/domain';
import type { Logger } from '../engine/logger.ts';
import type { DaemonActivity } from '../tool/daemon-activity.ts';

/** How long a build is silent before its builder is looked at, ms. */
export const STALLED_AFTER_MS = 600_000;
/** The builder is looked at this often within that time. */
const LOOKS = 4;
/** A daemon that uses less than this part of one CPU does no work. */
const IDLE_CPU = 0.2;
/** A RUN: while its process runs, there is one; before and after that, BuildKit only has to mount what is there. */
const IS_RUN = /^\[(?:[^\]]* )?\d+\/\d+\] RUN /;

export interface StallWatchDeps {
  /** How long the build may be silent, ms. */
  readonly afterMs: number;
  /** Reads what the builder is doing. */
  activity(): Promise<DaemonActivity>;
  /** Names of the steps that have started and not ended. */
  running(): readonly string[];
  /** Called at most once. */
  onStuck(fault: BuilderFault): void;
  /** Ms of a clock that never goes back. */
  readonly now: () => number;
  readonly log: Logger;
}

/**
 * Recognizes a build that will never end, because BuildKit waits for a lock whose holder is gone: nothing is reported for a long time, only RUN steps
 * are open, no process of any step runs in the builder, and its daemon does nothing, all of it twice in a row. A step that is merely slow and silent has
 * a process; a step that waits for another build's cache mount isn't stuck while that build has one.
 */
export class StallWatch implements Disposable {
  readonly #deps: StallWatchDeps;
  readonly #timer: NodeJS.Timeout;
  #lastAt: number;
  #unread = 0;
  #idle: { readonly at: number; readonly cpuMs: number } | undefined;
  #looking = false;
  #done = false;

  constructor(deps: StallWatchDeps) {
    this.#deps = deps;
    this.#lastAt = deps.now();
    this.#timer = setInterval(() => void this.look(), deps.afterMs / LOOKS);
    this.#timer.unref();
  }

  /** Progress of the build has arrived. */
  arrived(bytes: number): void {
    this.#lastAt = this.#deps.now();
    this.#unread += bytes;
    this.#idle = undefined;
  }

  /** It has become records. Until then, which steps are open isn't known. */
  taken(bytes: number): void {
    this.#unread -= bytes;
  }

  /** Looks at the builder, if the build has been silent for long enough. Never rejects. */
  async look(): Promise<void> {
    const { afterMs, activity, now, log } = this.#deps;
    if (this.#done || this.#looking || now() - this.#lastAt < afterMs || !this.#isRunOnly) return;
    this.#looking = true;
    try {
      const startedAt = now();
      const { working, cpuMs } = await activity();
      if (this.#lastAt > startedAt || !this.#isRunOnly) return;
      const before = this.#idle;
      this.#idle = working === 0 ? { at: startedAt, cpuMs } : undefined;
      if (before && working === 0 && cpuMs - before.cpuMs < (startedAt - before.at) * IDLE_CPU) this.#stuck();
    } catch (error) {
      this.#idle = undefined;
      log.warn({ err: error }, 'a builder with a silent build could not be looked at');
    } finally {
      this.#looking = false;
    }
  }

  get #isRunOnly(): boolean {
    const running = this.#deps.running();
    return this.#unread === 0 && running.length > 0 && running.every((name) => IS_RUN.test(name));
  }

  #stuck(): void {
    if (this.#done) return;
    this.#done = true;
    const { running, now, onStuck } = this.#deps;
    const [step = ''] = running();
    const seconds = Math.round((now() - this.#lastAt) / 1000);
    const message = `BuildKit has reported nothing for ${seconds} s, runs no process of a step and does no work, as with a lock that is never released`;
    onStuck({ state: 'stuck', message, step });
  }

  [Symbol.dispose](): void {
    this.#done = true;
    clearInterval(this.#timer);
  }
}
