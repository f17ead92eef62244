import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** Returns a number of seconds, far longer than any test, that no other process of this machine has among its arguments. */
export function uniqueSeconds(): string {
  return `9${process.pid}${randomInt(1_000_000)}`;
}

/**
 * Finds this machine's processes that have `argument` among their arguments, including those in containers. Returns their pids. It reads
 * synchronously: tests poll this, and hundreds of reads by way of the thread pool take many times the CPU time.
 */
export async function processesWith(argument: string): Promise<number[]> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => commandLine(pid).split('\0').includes(argument)).map(Number);
}

/** The arguments of a process, each followed by a zero byte; empty if it has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
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
