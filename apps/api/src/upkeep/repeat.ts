import type { Logger } from 'pino';

export interface Repeating extends AsyncDisposable {
  /** Runs the work as soon as it isn't running. */
  now(): void;
}

/**
 * Runs `work` every `everyMs`, which may go by what it came to, counted from its end, and whenever asked; never twice at a time. A failure is logged and tried
 * again the next time. Disposing of it aborts the signal and waits for the work to end.
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
