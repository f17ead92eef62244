import { stat } from 'node:fs/promises';
import type Docker from 'dockerode';
import type { Logger } from './builder-options.ts';
import { callEngine, EngineError, hasStatus } from './engine.ts';
import { ensureImage } from './engine-images.ts';
import { ToolProcess } from './tool-process.ts';
import { toolPaths } from './tool-scripts.ts';
import { type ContainerUser, ROOT, toolUser } from './tool-user.ts';

export interface ToolContainerOptions {
  readonly engine: Docker;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly scratchDir: string;
  readonly engineSocketPath: string;
  /** Network that it is in. Default: the host's, where the registries that the engine reaches are reached too, as buildx fetches their tokens itself. */
  readonly network?: string | undefined;
  readonly log: Logger;
}

export interface ToolCommand {
  readonly argv: readonly string[];
  readonly env?: readonly string[];
  /** `uid:gid`. Default: this process's user, so that what it leaves is this process's. */
  readonly user?: string;
  /** Whether something is written to it: `ToolProcess.write`. */
  readonly stdin?: boolean;
}

const PULL_TIMEOUT_MS = 600_000;
const SIGNAL_TIMEOUT_MS = 5_000;

/** The long-lived container in which buildx runs. Made anew whenever it is found missing or stopped (an engine restart). */
export class ToolContainer {
  readonly #options: ToolContainerOptions;
  readonly #container: Docker.Container;
  #ensuring: Promise<void> | undefined;
  /** Which socket the container holds. */
  #socket: string | undefined;

  constructor(options: ToolContainerOptions) {
    this.#options = options;
    this.#container = options.engine.getContainer(options.name);
  }

  /** Replaces whatever container has the name: a buildx that a dead worker left behind must not go on. */
  async recreate(): Promise<void> {
    const { engine, name, image, labels, scratchDir, engineSocketPath, network = 'host', log } = this.#options;
    const paths = toolPaths(scratchDir);
    this.#socket = await this.#socketNow();
    await this.remove();
    await ensureImage(engine, image, PULL_TIMEOUT_MS);
    const { GroupAdd } = await this.#user();
    const container = await callEngine('create the tool container', (abortSignal) =>
      engine.createContainer({
        name,
        Image: image,
        Entrypoint: ['/bin/sh', paths.watchdog, paths.fence],
        Cmd: [],
        Env: [`BUILDX_CONFIG=${paths.buildxConfig}`],
        Labels: { ...labels },
        // The watchdog ends processes of every run's user.
        User: ROOT,
        HostConfig: {
          ...(GroupAdd && { GroupAdd }),
          NetworkMode: network,
          Binds: [`${engineSocketPath}:/var/run/docker.sock`, `${scratchDir}:${scratchDir}`],
          LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
        },
        abortSignal,
      }),
    );
    await callEngine('start the tool container', (abortSignal) => container.start({ abortSignal }), 60_000);
    log.info({ container: name, image }, 'tool container started');
  }

  /** Makes sure that it runs; however many ask at once, it is made anew once. */
  async ensure(): Promise<void> {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined;
    });
    await this.#ensuring;
  }

  async #ensure(): Promise<void> {
    if ((await this.#socketNow()) === this.#socket && (await this.#isRunning())) return;
    this.#options.log.warn({ container: this.#options.name }, 'tool container not running');
    await this.recreate();
  }

  /**
   * An engine that starts again makes a new socket. A container that lives through that (live-restore) still holds the
   * old one, to which nothing answers any more. Undefined where the engine's socket is not on this machine.
   */
  async #socketNow(): Promise<string | undefined> {
    try {
      const { ino, birthtimeMs } = await stat(this.#options.engineSocketPath);
      return `${ino} ${birthtimeMs}`;
    } catch {
      return undefined;
    }
  }

  async #user(): Promise<ContainerUser> {
    const { getuid, getgid } = process;
    if (!getuid || !getgid) return {};
    const socket = await stat(this.#options.engineSocketPath).catch(() => undefined);
    return toolUser({ uid: getuid(), gid: getgid() }, socket);
  }

  async #isRunning(): Promise<boolean> {
    try {
      const info = await callEngine('inspect the tool container', (abortSignal) =>
        this.#container.inspect({ abortSignal }),
      );
      return info.State.Running;
    } catch (error) {
      if (hasStatus(error, 404)) return false;
      throw error;
    }
  }

  /**
   * Starts a command. Looks at the container only when the engine says that it is missing or stopped: this way a build costs one exec.
   * @throws EngineError
   */
  async start(command: ToolCommand): Promise<ToolProcess> {
    if ((await this.#socketNow()) !== this.#socket) await this.ensure();
    try {
      return await this.#start(command);
    } catch (error) {
      if (!(error instanceof EngineError) || !hasStatus(error, 404, 409)) throw error;
      await this.ensure();
      return await this.#start(command);
    }
  }

  async #start({ argv, env = [], user, stdin = false }: ToolCommand): Promise<ToolProcess> {
    const { User = ROOT } = user === undefined ? await this.#user() : { User: user };
    const exec = await callEngine('create an exec', (abortSignal) =>
      this.#container.exec({
        Cmd: [...argv],
        Env: [...env],
        User,
        AttachStdin: stdin,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        abortSignal,
      }),
    );
    const socket = await callEngine('start an exec', (abortSignal) =>
      exec.start({ hijack: true, stdin, Tty: false, Detach: false, abortSignal }),
    );
    return new ToolProcess(exec, socket);
  }

  /** Runs a short command and gathers what it prints. */
  async capture(
    argv: readonly string[],
    timeoutMs: number,
  ): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
    const running = await this.start({ argv });
    return await running.capture(timeoutMs);
  }

  /** Runs a command in the container as it is: where that is gone, so is what was to be signalled. */
  async signal(argv: readonly string[]): Promise<void> {
    const running = await this.#start({ argv, user: ROOT });
    await running.capture(SIGNAL_TIMEOUT_MS);
  }

  async remove(): Promise<void> {
    try {
      await callEngine(
        'remove the tool container',
        (abortSignal) => this.#container.remove({ force: true, v: true, abortSignal }),
        60_000,
      );
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }
}
