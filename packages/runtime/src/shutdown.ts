interface Step {
  readonly name: string;
  readonly release: () => PromiseLike<void> | void;
  readonly limitMs: number | undefined;
}

/** Releases the resources of a process, in the reverse order of acquisition. */
export class Shutdown {
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;

  /**
   * Registers `release` for the end; the last one registered runs first.
   * @param limitMs if it takes longer, because something that it needs is unreachable, that is an error, and the next one runs
   */
  add(name: string, release: () => PromiseLike<void> | void, limitMs?: number): void {
    this.#steps.push({ name, release, limitMs });
  }

  /** For a start that takes long, so that it acquires nothing more once the process is asked to stop. @throws Error if `run` has been called */
  throwIfRunning(): void {
    if (this.#running) throw new Error('the process is stopping');
  }

  /** Releases everything once, even if called twice. If a step fails, the others still run. */
  run(onError: (step: string, error: unknown) => void): Promise<void> {
    this.#running ??= this.#release(onError);
    return this.#running;
  }

  async #release(onError: (step: string, error: unknown) => void): Promise<void> {
    for (const { name, release, limitMs } of this.#steps.reverse()) {
      try {
        await (limitMs === undefined ? release() : within(limitMs, release()));
      } catch (error) {
        onError(name, error);
      }
    }
  }
}

async function within(limitMs: number, work: PromiseLike<void> | void): Promise<void> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not released within ${limitMs} ms`)), limitMs);
  try {
    await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

export interface StopSignal {
  /** SIGINT or SIGTERM; a second one ends the process at once with 130 or 143. */
  readonly received: Promise<NodeJS.Signals>;
  readonly [Symbol.dispose]: () => void;
}

const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;

/** Listens for signals that ask the process to stop. */
export function onStopSignal(): StopSignal {
  let asked = false;
  let resolve: (signal: NodeJS.Signals) => void = () => {};
  const received = new Promise<NodeJS.Signals>((done) => {
    resolve = done;
  });
  const listener = (signal: NodeJS.Signals) => {
    if (asked) process.exit(EXIT_CODE[signal as keyof typeof EXIT_CODE] ?? 1);
    asked = true;
    resolve(signal);
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return {
    received,
    [Symbol.dispose]: () => void process.off('SIGINT', listener).off('SIGTERM', listener),
  };
}
