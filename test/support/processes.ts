import { randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';

/** Returns a number of seconds, far longer than any test, that no other process of this machine has among its arguments. */
export function uniqueSeconds(): string {
  return `9${process.pid}${randomInt(1_000_000)}`;
}

/** Finds this machine's processes that have `argument` among their arguments, including those in containers. Returns their pids. */
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

/** Kills every process that has `argument` among its arguments. One may end by itself after it was found. */
export async function killProcessesWith(argument: string): Promise<void> {
  for (const pid of await processesWith(argument)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
