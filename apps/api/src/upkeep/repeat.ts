import type { Logger } from 'pino';

export interface Repeating extends AsyncDisposable {
  /** Runs the work at once, or again after the present run. */
  now(): void;
}

/**
 * Runs `work` at once, `everyMs` after each end, and whenever `now` is called; never twice at the same time. `everyMs` may depend on the
 * result, which is undefined after a failure; failures are logged. Disposing aborts the signal and waits for the work to end.
 */
export function repeat<Result>(
  name: string,
  everyMs: number | ((result: Result | undefined) => number),
  work: (signal: AbortSignal) => Promise<Result>,
  log: Logger,
): Repeating {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;

  const run = async () => {
    let result: Result | undefined;
    do {
      again = false;
      result = await work(stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) log.error({ err: error, work: name }, 'upkeep failed');
        return undefined;
      });
    } while (again && !stop.signal.aborted);
    running = undefined;
    if (!stop.signal.aborted) timer = setTimeout(now, typeof everyMs === 'number' ? everyMs : everyMs(result));
  };
  const now = () => {
    clearTimeout(timer);
    again = true;
    if (!stop.signal.aborted) running ??= run();
  };
  now();
  return {
    now,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
