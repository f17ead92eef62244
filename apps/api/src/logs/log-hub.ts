import type { PoolEvent } from '@kiln/contracts';
import { NO_METRICS } from '@kiln/metrics';
import type { LogName, PoolEvents } from '@kiln/state';
import { AttemptLog, type AttemptLogDeps } from './attempt-log.ts';

export interface LogHubDeps extends AttemptLogDeps {
  readonly events: Pick<PoolEvents, 'subscribe'>;
  /** How long a log without watchers keeps its reader, ms. */
  readonly lingerMs: number;
}

/** A watcher's hold on a log, which is released when nobody holds it. */
export interface LogHold extends Disposable {
  readonly log: AttemptLog;
}

interface Held {
  readonly log: AttemptLog;
  holds: number;
  linger: NodeJS.Timeout | undefined;
}

/** Shares the logs that are being watched in this process, so that each is read once. */
export class LogHub implements AsyncDisposable {
  readonly #deps: LogHubDeps;
  readonly #held = new Map<string, Held>();
  readonly #subscription: Disposable;
  readonly #collecting: Disposable;

  constructor(deps: LogHubDeps) {
    this.#deps = deps;
    const { metrics = NO_METRICS } = deps;
    this.#collecting = metrics.collect(['kiln_log_readers'], (set) => set('kiln_log_readers', this.size));
    this.#subscription = deps.events.subscribe((event) => this.#onEvent(event));
  }

  /** How many logs have a reader, or may have one. */
  get size(): number {
    return this.#held.size;
  }

  hold(ref: LogName): LogHold {
    const key = `${ref.buildId}.${ref.attempt}`;
    const held = this.#held.get(key) ?? { log: new AttemptLog(ref, this.#deps), holds: 0, linger: undefined };
    this.#held.set(key, held);
    clearTimeout(held.linger);
    held.holds += 1;
    return { log: held.log, [Symbol.dispose]: () => this.#release(key, held) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    this.#collecting[Symbol.dispose]();
    const all = [...this.#held.values()];
    this.#held.clear();
    for (const { linger } of all) clearTimeout(linger);
    await Promise.all(all.map(({ log }) => log[Symbol.asyncDispose]()));
  }

  #release(key: string, held: Held): void {
    held.holds -= 1;
    if (held.holds > 0 || this.#held.get(key) !== held) return;
    held.linger = setTimeout(() => {
      this.#held.delete(key);
      void held.log[Symbol.asyncDispose]();
    }, this.#deps.lingerMs);
  }

  /** Checks the watched logs of a changed build: their attempt may have ended. */
  #onEvent(event: PoolEvent): void {
    if (event.type !== 'build' || event.state === 'running' || event.state === 'assigned') return;
    const logs = [...this.#held.values()].map(({ log }) => log).filter(({ ref }) => ref.buildId === event.id);
    if (logs.length === 0) return;
    this.#deps.builds.get(event.id).then(
      (build) => {
        for (const log of build ? logs : []) if (build) log.note(build);
      },
      (error: unknown) => this.#deps.log.warn({ buildId: event.id, err: error }, 'reading a watched build failed'),
    );
  }
}
