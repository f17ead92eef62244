import type { Logger } from '@kiln/runtime';
import type { Executor } from './executor.ts';

export const ENGINE_CHECK_EVERY_MS = 10_000;
/** An engine that doesn't answer is checked more often, so that builds can be accepted again as soon as possible. */
const AWAY_CHECK_EVERY_MS = 500;

export interface EngineWatchOptions {
  /** Rejects while the engine doesn't answer. */
  check(): Promise<void>;
  /** Called when the engine stops answering, and when it answers again. */
  onChange(isThere: boolean): Promise<void>;
  readonly everyMs: number;
  readonly log: Logger;
}

/**
 * Checks whether the host's engine answers. Without it, a host whose engine has stopped would fail each build at once, be free again and get
 * the next one, and so cost every build of the pool an attempt.
 */
export class EngineWatch {
  readonly #options: EngineWatchOptions;
  #isThere = true;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: EngineWatchOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Checks now; resolves when a change has been reported. */
  now(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    clearTimeout(this.#timer);
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
      this.#schedule();
    });
    return this.#checking;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.now(), this.#isThere ? this.#options.everyMs : AWAY_CHECK_EVERY_MS);
  }

  async #check(): Promise<void> {
    const { check, onChange, log } = this.#options;
    const failure = await check().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const isThere = failure === undefined;
    if (this.#stopped || isThere === this.#isThere) return;
    this.#isThere = isThere;
    if (isThere) log.info({}, 'engine answers again; accepting builds');
    else log.error({ err: failure.error }, 'engine does not answer; accepting no builds until it does');
    await onChange(isThere).catch((error: unknown) =>
      log.warn({ err: error }, 'reporting the change to the pool failed'),
    );
  }
}

/**
 * Decorates an executor so that the engine is checked after each attempt that ended with `infrastructure`. If the engine is gone, the pool
 * knows before the attempt's slot is free again.
 */
export function withEngineWatch(executor: Executor, watch: EngineWatch): Pick<Executor, 'run'> {
  return {
    async run(request, signal) {
      const outcome = await executor.run(request, signal);
      if (outcome.failure?.code === 'infrastructure' && !signal.aborted) await watch.now();
      return outcome;
    },
  };
}
