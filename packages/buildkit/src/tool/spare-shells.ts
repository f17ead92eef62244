import type { ToolProcess } from './tool-process.ts';

export interface ShellCommand {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** `uid:gid` */
  readonly user: string;
  /** Whether it reads a standard input. Default: it gets an empty one. */
  readonly stdin?: boolean | undefined;
}

/** What a spare shell is: it reads its commands from standard input. */
const SPARE_SHELL = ['/bin/sh'];
/** Succeeds in a container in which a shell can do what `shellText` needs: change the user of a process. */
export const SHELL_CHECK = ['/bin/sh', '-c', 'exec setpriv --reuid=65534 --regid=65534 --groups=65534 true'];
const CHECK_TIMEOUT_MS = 60_000;

/** Enough for a build that follows another at once. */
const WAITING = 2;
/** How long after one was taken the next is made, ms: not while that command starts, which is slow enough. */
const REFILL_MS = 1_000;

/**
 * Keeps some root shells waiting in the tool container, each of which becomes a command. Making a process takes the engine 50 ms and more, which a
 * build then needn't wait for. A command that finds none is started by an exec of its own.
 */
export class SpareShells {
  readonly #start: (argv: readonly string[]) => Promise<ToolProcess>;
  readonly #refillMs: number;
  #shells: ToolProcess[] = [];
  #refill: NodeJS.Timeout | undefined;
  /** Whether the container can do what a shell needs; undefined until it was checked. */
  #isAble: boolean | undefined;
  /** Changes with the container: a shell of an older one is of no use. */
  #container = 0;

  /** @param start starts a process as root with a standard input */
  constructor(start: (argv: readonly string[]) => Promise<ToolProcess>, refillMs = REFILL_MS) {
    this.#start = start;
    this.#refillMs = refillMs;
  }

  /** Whether the container can do what a shell needs; undefined until it was checked. No shell waits before that. */
  get isAble(): boolean | undefined {
    return this.#isAble;
  }

  /** Has shells wait a little later. */
  prepare(): void {
    const container = this.#container;
    this.#refill ??= setTimeout(() => void this.#fill(container), this.#refillMs).unref();
  }

  /**
   * Returns a process of the command, if a shell is waiting. Another one is made a little later. What is written to a command with a standard input before the
   * process has printed something may be lost.
   */
  take(command: ShellCommand): ToolProcess | undefined {
    const shell = this.#shells.filter(({ isOpen }) => isOpen).shift();
    this.#shells = this.#shells.filter((other) => other !== shell && other.isOpen);
    this.prepare();
    if (!shell) return undefined;
    shell.write(shellText(command));
    if (!command.stdin) shell.endInput();
    return shell;
  }

  /** Forgets the waiting shells, because their container is gone or will be. */
  drop(): void {
    this.#container += 1;
    clearTimeout(this.#refill);
    this.#refill = undefined;
    this.#isAble = undefined;
    for (const shell of this.#shells.splice(0)) shell.abandon();
  }

  /** Makes as many shells wait as there should be, one after the other. Never rejects. */
  async #fill(container: number): Promise<void> {
    this.#refill = undefined;
    if (this.#isAble === undefined) {
      const isAble = await this.#check().catch(() => undefined);
      if (container !== this.#container) return;
      this.#isAble = isAble;
    }
    for (let tries = 0; tries < WAITING && this.#shells.length < WAITING && this.#isAble; tries += 1) {
      // Without one, commands start as they would anyway, and report what is wrong.
      const shell = await this.#start(SPARE_SHELL).catch(() => undefined);
      if (!shell) return;
      if (container !== this.#container) return shell.abandon();
      this.#shells.push(shell);
      shell.onceClosed(() => {
        this.#shells = this.#shells.filter((other) => other !== shell);
      });
    }
  }

  /** Returns undefined if the engine can't tell. */
  async #check(): Promise<boolean | undefined> {
    const check = await this.#start(SHELL_CHECK);
    check.endInput();
    const { exitCode } = await check.capture(CHECK_TIMEOUT_MS);
    return exitCode === undefined ? undefined : exitCode === 0;
  }
}

/**
 * Returns shell commands that turn the shell into the command, in the same process. Values are set by `export`, which is built in: as arguments of
 * a program they could be read by others' processes in the container. With a standard input it first prints an empty line: a shell may read ahead, but no further
 * than to the end of the line that it carries out.
 */
export function shellText({ argv, env, user, stdin }: ShellCommand): string {
  const [uid, gid] = user.split(':');
  const variables = env.map((variable) => {
    const at = variable.indexOf('=');
    return `export ${variable.slice(0, at)}=${quoted(variable.slice(at + 1))}\n`;
  });
  const command = argv.map(quoted).join(' ');
  const become = `exec setpriv --reuid=${uid} --regid=${gid} --groups=${gid} -- ${command}`;
  return `${variables.join('')}${stdin ? `echo; ${become}` : `${become} </dev/null`}\n`;
}

/** Quotes for a POSIX shell: within single quotes only these mean anything. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
