import type { Exit, ManagedProcess } from '../process.ts';
import type { Role } from './options.ts';

const STOP_TIMEOUT_MS = 30_000;

export interface Member {
  readonly role: Role;
  readonly name: string;
  readonly process: ManagedProcess;
}

/** All processes that a pool has ever started, in the order of their start. */
export class Members {
  readonly #all: Member[] = [];

  add(member: Member): void {
    this.#all.push(member);
  }

  /** The running process of this name, or else the one that ran last. @throws Error if there never was one */
  process(role: Role, name: string): ManagedProcess {
    const member = this.#all.findLast((each) => each.role === role && each.name === name);
    if (!member) throw new Error(`no ${role} named ${name} was started`);
    return member.process;
  }

  running(...roles: Role[]): Member[] {
    return this.#all.filter(({ role, process: { running } }) => running && roles.includes(role));
  }

  /** The latest process of each name, where it has ended. */
  ended(): Member[] {
    const latest = new Map(this.#all.map((member) => [`${member.role} ${member.name}`, member]));
    return [...latest.values()].filter(({ process: { running } }) => !running);
  }

  namesOf(role: Role): string[] {
    return [...new Set(this.#all.filter((member) => member.role === role).map(({ name }) => name))];
  }

  /** Writes the logs of all processes to stderr. */
  showLogs(): void {
    for (const { process: child } of this.#all) {
      process.stderr.write(`--- ${child.title} (${child.pid})\n${child.lines.join('\n')}\n`);
    }
  }

  /** Log lines of all processes that contain `text`. */
  linesOf(text: string): string[] {
    return this.#all.flatMap(({ process: { title, pid, lines } }) =>
      lines.filter((line) => line.includes(text)).map((line) => `${title} (${pid}): ${line}`),
    );
  }

  /** Stops the processes of these roles. Returns what went wrong, a line for each process that did not exit with 0. */
  async stop(...roles: Role[]): Promise<string[]> {
    return (await Promise.all(this.running(...roles).map(stopInOrder))).flat();
  }
}

async function stopInOrder({ process: child }: Member): Promise<string[]> {
  const timer = setTimeout(() => child.signal('SIGKILL'), STOP_TIMEOUT_MS);
  const exit = await child.end('SIGTERM');
  clearTimeout(timer);
  return stopFaults(child, exit);
}

function stopFaults({ title, lines }: ManagedProcess, { code, signal }: Exit): string[] {
  // A process that is stopped before it handles signals has nothing to clean up yet.
  if (signal === 'SIGTERM' && lines.length === 0) return [];
  return code === 0
    ? []
    : [`${title} exited with ${code ?? signal}; its last log lines: ${lines.slice(-3).join(' | ')}`];
}
