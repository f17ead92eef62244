import { EXIT } from './exit-codes.ts';
import type { Io } from './output.ts';

/** Runs `work` until it ends. Ctrl-C aborts its signal; if it then throws, prints `notice`, if any, and returns `EXIT.interrupted`. */
export async function untilInterrupted(
  io: Pick<Io, 'onInterrupt' | 'err'>,
  work: (signal: AbortSignal) => Promise<number>,
  notice?: string,
): Promise<number> {
  const leave = new AbortController();
  const stop = io.onInterrupt(() => leave.abort());
  try {
    return await work(leave.signal);
  } catch (error) {
    if (!leave.signal.aborted) throw error;
    if (notice !== undefined) io.err.line(`kiln: ${notice}`);
    return EXIT.interrupted;
  } finally {
    stop();
  }
}
