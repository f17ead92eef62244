import { setTimeout as delay } from 'node:timers/promises';
import type { KilnClient } from '@kiln/client';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { FullScreen } from '../../progress/full-screen.ts';
import { explainError } from '../../server/explain-error.ts';
import { readPool } from './read-pool.ts';
import { type TopState, topFrame } from './top-frame.ts';

/** How often times are updated between two readings, ms. */
const TICK_MS = 1_000;

export interface TopOptions {
  readonly client: KilnClient;
  readonly io: Io;
  readonly intervalMs: number;
  /** How many times to show the pool. Default: until Ctrl-C or q. */
  readonly times: number | undefined;
}

/** Prints the pool once for each reading, below each other. */
export async function printTop(
  { client, io, intervalMs, times = 1 }: TopOptions,
  signal: AbortSignal,
): Promise<number> {
  for (let i = 0; i < times; i += 1) {
    if (i > 0) {
      await delay(intervalMs, undefined, { signal });
      io.out.line();
    }
    const pool = await readPool(client, io.now, signal);
    const lines = topFrame({ pool, now: io.now() }, io.out, Number.POSITIVE_INFINITY);
    io.out.write(`${lines.join('\n')}\n`);
  }
  return EXIT.ok;
}

/** Shows the pool in the whole terminal until `signal` aborts. A server that doesn't respond is shown as such, and asked again. */
export async function watchTop({ client, io, intervalMs }: TopOptions, signal: AbortSignal): Promise<number> {
  let state: Omit<TopState, 'now'> = { pool: undefined };
  using screen = new FullScreen(io.out, () => draw());
  const draw = () => screen.draw(topFrame({ ...state, now: io.now() }, io.out, io.out.rows));
  draw();
  const timer = setInterval(draw, TICK_MS);
  timer.unref();
  try {
    while (!signal.aborted) {
      try {
        state = { pool: await readPool(client, io.now, signal) };
      } catch (error) {
        if (signal.aborted) break;
        const [problem] = (explainError(error) ?? String(error)).split('\n');
        // The first answer decides whether there is anything to watch.
        if (!state.pool) throw error;
        state = { pool: state.pool, problem };
      }
      draw();
      await delay(intervalMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    clearInterval(timer);
  }
  return EXIT.ok;
}
