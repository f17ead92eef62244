import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Terminal } from '@xterm/headless';
import { cliOfRun } from './cli-of-run.ts';

export interface PseudoTerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env: Readonly<Record<string, string>>;
}

/** A real pseudo-terminal of the system, in which a shell command runs, with an emulator behind it that shows what is on the screen. */
export class PseudoTerminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #screen: Terminal;
  /** Everything that was written to the terminal. */
  raw = '';
  /** Settles when the command has ended. */
  readonly ended: Promise<unknown>;
  readonly #device: Promise<string>;

  private constructor(child: ChildProcess, { columns, rows }: PseudoTerminalOptions) {
    this.#child = child;
    this.#screen = new Terminal({ cols: columns, rows, allowProposedApi: true });
    this.ended = once(child, 'exit');
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#device = promise;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.raw += text;
      this.#screen.write(text);
      const device = /device=(\/dev\/pts\/\d+)/.exec(this.raw)?.[1];
      if (device) resolve(device);
    });
  }

  /** Runs a command line of `sh`. `script` of the util-linux package, which every Debian has, makes the terminal. */
  static async run(line: string, options: PseudoTerminalOptions): Promise<PseudoTerminal> {
    const { columns, rows, env } = options;
    const command = `stty cols ${columns} rows ${rows}; echo "device=$(tty)"; ${line}; echo "status=$?"`;
    const child = spawn('script', ['-qfec', command, '/dev/null'], {
      env: { PATH: process.env.PATH ?? '', TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const terminal = new PseudoTerminal(child, options);
    await terminal.#device;
    return terminal;
  }

  /** Runs `kiln` with these arguments. */
  static async kiln(args: string, options: PseudoTerminalOptions): Promise<PseudoTerminal> {
    return PseudoTerminal.run(`'${process.execPath}' '${await cliOfRun()}' ${args}`, options);
  }

  /** Types text, such as `\u0003` for Ctrl-C. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Changes the size of the window, of which the kernel tells the program. */
  async resize(columns: number, rows: number): Promise<void> {
    this.#screen.resize(columns, rows);
    execFileSync('stty', ['-F', await this.#device, 'cols', String(columns), 'rows', String(rows)]);
  }

  /** The lines on the screen, without trailing blanks. */
  async lines(): Promise<string[]> {
    await new Promise<void>((resolve) => {
      this.#screen.write('', resolve);
    });
    const { active } = this.#screen.buffer;
    const lines = Array.from(
      { length: this.#screen.rows },
      (_, i) => active.getLine(active.viewportY + i)?.translateToString(true) ?? '',
    );
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  /** The text on the screen. */
  async text(): Promise<string> {
    return (await this.lines()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The end of the terminal hangs up on everything in it.
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
    await this.ended;
    this.#screen.dispose();
  }
}
