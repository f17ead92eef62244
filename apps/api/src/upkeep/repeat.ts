import type { Logger } from 'pino';

export interface Repeating extends AsyncDisposable {
  /** Runs the work as soon as it isn't running. */
  now(): void;
}

/**
 * Runs `work` every `everyMs`, counted from its end, and whenever asked; never twice at a time. A failure is logged and tried
 * again the next time. Disposing of it aborts the signal and waits for the work to end.
 */
export function repeat(
  name: string,
  everyMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
  log: Logger,
): Repeating {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;

  const run = async () => {
    do {
      again = false;
      await work(stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) log.error({ err: error, work: name }, 'upkeep failed');
      });
    } while (again && !stop.signal.aborted);
    running = undefined;
    if (!stop.signal.aborted) timer = setTimeout(now, everyMs);
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
