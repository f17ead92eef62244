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
  return read(pid, 'cmdline');
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

/**
 * Describes a process for an error message: pid, name, parent, arguments, and of its threads the state and the kernel function in which each
 * waits. A process that was killed is a zombie until the last of its threads has left the kernel.
 */
export function describeProcess(pid: number): string {
  const { name, state, parent } = statOf(`${pid}`);
  if (state === undefined) return `${pid} (has ended)`;
  const threads = listed(`/proc/${pid}/task`).map((thread) => `${pid}/task/${thread}`);
  const waits = threads.map((thread) => `${statOf(thread).state} in ${read(thread, 'wchan') || '?'}`);
  const line = commandLine(`${pid}`).replaceAll('\0', ' ').trim() || 'no arguments';
  return `${pid} (${name}) of ${parent}, ${[...new Set(waits)].join(', ') || state}: ${line}`;
}

/** Facts of a process or thread; none if it has ended. */
function statOf(task: string): { name?: string | undefined; state?: string | undefined; parent?: string | undefined } {
  // The name may hold spaces and parentheses.
  const [, name, state, parent] = /\((.*)\) (\S) (\d+)/s.exec(read(task, 'stat')) ?? [];
  return { name, state, parent };
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Text of a file about a process or thread; empty if it has ended or the file can't be read. */
function read(task: string, file: string): string {
  try {
    return readFileSync(`/proc/${task}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
