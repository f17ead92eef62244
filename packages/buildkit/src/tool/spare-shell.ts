import type { ToolProcess } from './tool-process.ts';

export interface ShellCommand {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** `uid:gid` */
  readonly user: string;
}

/** Exit code of a spare shell in a container that can't change a process's user. */
const UNABLE = 69;

/** Runs a shell that reads its commands from standard input, if it can do what `shellText` needs. */
export const SPARE_SHELL = [
  '/bin/sh',
  '-c',
  `setpriv --reuid=65534 --regid=65534 --groups=65534 true 2>/dev/null || exit ${UNABLE}; exec /bin/sh`,
];

/** How long after one was taken the next is made, ms: not while that command starts, which is slow enough. */
const REFILL_MS = 1_000;

/**
 * Keeps a root shell waiting in the tool container, which becomes the next command. Making a process takes the engine 50 ms and more, which a
 * build then needn't wait for. Whoever finds none starts its command by itself.
 */
export class SpareShell {
  readonly #start: () => Promise<ToolProcess>;
  readonly #refillMs: number;
  #shell: ToolProcess | undefined;
  #refill: NodeJS.Timeout | undefined;
  #isAble = true;
  /** Changes with the container: a shell of an older one is of no use. */
  #container = 0;

  /** @param start starts `SPARE_SHELL` as root with a standard input */
  constructor(start: () => Promise<ToolProcess>, refillMs = REFILL_MS) {
    this.#start = start;
    this.#refillMs = refillMs;
  }

  /** Whether the container can do what a shell needs, as far as is known. */
  get isAble(): boolean {
    return this.#isAble;
  }

  /** Has a shell wait a little later. */
  prepare(): void {
    const container = this.#container;
    this.#refill ??= setTimeout(() => void this.#fill(container), this.#refillMs).unref();
  }

  /** Returns a process of the command, if a shell is waiting. Another one is made a little later. */
  take(command: ShellCommand): ToolProcess | undefined {
    const shell = this.#shell;
    this.#shell = undefined;
    this.prepare();
    if (!shell?.isOpen) return undefined;
    shell.write(shellText(command));
    shell.endInput();
    return shell;
  }

  /** Forgets the waiting shell, because its container is gone or will be. */
  drop(): void {
    this.#container += 1;
    clearTimeout(this.#refill);
    this.#refill = undefined;
    this.#isAble = true;
    this.#shell?.abandon();
    this.#shell = undefined;
  }

  /** Makes a shell wait. Never rejects. */
  async #fill(container: number): Promise<void> {
    this.#refill = undefined;
    if (this.#shell?.isOpen || !this.#isAble) return;
    // Without one, commands start as they would anyway, and report what is wrong.
    const shell = await this.#start().catch(() => undefined);
    if (container !== this.#container) return shell?.abandon();
    this.#shell = shell;
    shell?.onceClosed(() => void this.#lost(shell, container));
  }

  async #lost(shell: ToolProcess, container: number): Promise<void> {
    if (this.#shell !== shell) return;
    this.#shell = undefined;
    if ((await shell.exitCode()) === UNABLE && container === this.#container) this.#isAble = false;
  }
}

/**
 * Returns shell commands that turn the shell into the command, in the same process. Values are set by `export`, which is built in: as arguments of
 * a program they could be read by others' processes in the container.
 */
export function shellText({ argv, env, user }: ShellCommand): string {
  const [uid, gid] = user.split(':');
  const variables = env.map((variable) => {
    const at = variable.indexOf('=');
    return `export ${variable.slice(0, at)}=${quoted(variable.slice(at + 1))}\n`;
  });
  const command = argv.map(quoted).join(' ');
  return `${variables.join('')}exec setpriv --reuid=${uid} --regid=${gid} --groups=${gid} -- ${command} </dev/null\n`;
}

/** Quotes for a POSIX shell: within single quotes only these mean anything. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
