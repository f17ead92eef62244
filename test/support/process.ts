import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { until } from './until.ts';

/** A line of an app's log, as pino writes it. */
export interface LogLine {
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Children that are killed when this process exits. */
const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

const READY_TIMEOUT_MS = 120_000;

/** A child process and the lines it has written. */
export class ManagedProcess {
  readonly title: string;
  readonly lines: string[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #frozen = false;

  constructor(title: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.title = title;
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    alive.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    this.exited = once(child, 'exit').then(([code, signal]) => {
      alive.delete(child);
      return { code, signal };
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.title} could not be started`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#frozen = name === 'SIGSTOP' || (this.#frozen && name !== 'SIGCONT');
    this.#child.kill(name);
  }

  /** Sends the signal and waits until the process has ended. */
  async end(name: NodeJS.Signals): Promise<Exit> {
    if (this.running) {
      this.signal(name);
      if (this.#frozen && name !== 'SIGKILL') this.signal('SIGCONT');
    }
    return await this.exited;
  }

  /** Waits for the first line of its log with this message. @throws Error if the process ends before */
  async said(msg: string, timeoutMs = READY_TIMEOUT_MS): Promise<LogLine> {
    return await until(
      `${this.title} logs "${msg}"`,
      () => {
        const line = this.find(msg);
        if (!line && !this.running) throw new Error(`${this.title} ended before it logged "${msg}"`);
        return line;
      },
      timeoutMs,
    );
  }

  find(msg: string, holds: (line: LogLine) => boolean = () => true): LogLine | undefined {
    return this.lines.map(parsed).find((line) => line.msg === msg && holds(line));
  }
}

function parsed(line: string): LogLine {
  if (!line.startsWith('{')) return {};
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}
