/** What a process holds, released in the reverse order of acquisition. */
export class Shutdown {
  readonly #steps: { readonly name: string; readonly release: () => PromiseLike<void> | void }[] = [];
  #running: Promise<void> | undefined;

  /** Has `release` called at the end; the last registered is the first released. */
  add(name: string, release: () => PromiseLike<void> | void): void {
    this.#steps.push({ name, release });
  }

  /** Releases everything once, even when asked twice; one failing step doesn't keep the others from running. */
  run(onError: (step: string, error: unknown) => void): Promise<void> {
    this.#running ??= this.#release(onError);
    return this.#running;
  }

  async #release(onError: (step: string, error: unknown) => void): Promise<void> {
    for (const { name, release } of this.#steps.reverse()) {
      try {
        await release();
      } catch (error) {
        onError(name, error);
      }
    }
  }
}

export interface StopSignal {
  /** SIGINT or SIGTERM; a second one ends the process at once with 130 or 143. */
  readonly received: Promise<NodeJS.Signals>;
  readonly [Symbol.dispose]: () => void;
}

const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;

/** Listens for the signals that ask a process to stop. */
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
