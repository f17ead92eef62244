import { randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * What `read` gives, as soon as that is neither undefined nor false. Throws, with `what`, when it isn't within `timeoutMs`.
 * What `read` throws is thrown.
 */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(POLL_MS);
  }
}

/** Seconds to sleep that no other process of this machine has among its arguments: far longer than any test. */
export function uniqueSeconds(): string {
  return `9${process.pid}${randomInt(1_000_000)}`;
}

/** Pids of this machine, whose kernel the builders share, that have `argument` among their arguments. */
export async function processesWith(argument: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return line.split('\0').includes(argument) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}
