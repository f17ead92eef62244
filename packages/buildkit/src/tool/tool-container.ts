import { stat } from 'node:fs/promises';
import type Docker from 'dockerode';
import { callEngine, EngineError, hasStatus } from '../engine/engine.ts';
import { ensureImage } from '../engine/engine-images.ts';
import type { Logger } from '../engine/logger.ts';
import { SpareShells } from './spare-shells.ts';
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
  /** Its Docker network. Default: the host's, because buildx fetches registry tokens itself, and so must reach what the engine reaches. */
  readonly network?: string | undefined;
  /** Variables of everything that runs in it, `NAME=value`. */
  readonly env?: readonly string[];
  readonly log: Logger;
}

export interface ToolCommand {
  readonly argv: readonly string[];
  readonly env?: readonly string[];
  /** `uid:gid`. Default: this process's user, who then owns the files that the command leaves. */
  readonly user?: string;
  /** Whether it gets a standard input, for `ToolProcess.write`. */
  readonly stdin?: boolean;
  /** Whether a waiting shell may become it although it has a standard input. Then an empty line comes first in its output. */
  readonly mayPrintFirst?: boolean;
}

const PULL_TIMEOUT_MS = 600_000;
const MAX_CREATES = 3;
const SIGNAL_TIMEOUT_MS = 5_000;

/** The long-lived container in which buildx runs. Recreated when it is found missing or stopped, as after an engine restart. */
export class ToolContainer {
  readonly #options: ToolContainerOptions;
  readonly #container: Docker.Container;
  #image: string;
  #imageId: string | undefined;
  #isClosed = false;
  readonly #spare: SpareShells;
  #ensuring: Promise<void> | undefined;
  /** Settles when no container is being made. */
  #recreating: Promise<void> = Promise.resolve();
  /** Identity of the engine's socket that is mounted in the container. */
  #socket: string | undefined;

  constructor(options: ToolContainerOptions) {
    this.#options = options;
    this.#image = options.image;
    this.#container = options.engine.getContainer(options.name);
    this.#spare = new SpareShells((argv) => this.#start({ argv, user: ROOT, stdin: true }));
  }

  /**
   * Replaces any container of this name: a buildx that a dead worker left behind must not continue. One call at a time makes a
   * container, and none does after `close`. @throws EngineError
   */
  async recreate(): Promise<void> {
    const before = this.#recreating;
    const made = before.catch(() => undefined).then(() => this.#recreate());
    this.#recreating = made;
    await made;
  }

  async #recreate(): Promise<void> {
    this.#demandOpen();
    const { engine, name, labels, scratchDir, engineSocketPath, network = 'host', env = [], log } = this.#options;
    const image = this.#image;
    const paths = toolPaths(scratchDir);
    this.#socket = await this.#socketNow();
    await this.remove();
    await ensureImage(engine, image, PULL_TIMEOUT_MS);
    const { GroupAdd } = await this.#user();
    const create = (abortSignal: AbortSignal) =>
      engine.createContainer({
        name,
        Image: image,
        Entrypoint: ['/bin/sh', paths.watchdog, paths.fence],
        Cmd: [],
        Env: [`BUILDX_CONFIG=${paths.buildxConfig}`, ...env],
        Labels: { ...labels },
        // The watchdog kills processes of all runs' users.
        User: ROOT,
        HostConfig: {
          ...(GroupAdd && { GroupAdd }),
          NetworkMode: network,
          Binds: [`${engineSocketPath}:/var/run/docker.sock`, `${scratchDir}:${scratchDir}`],
          LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
        },
        abortSignal,
      });
    const container = await this.#createInPlace(create);
    this.#imageId = await this.#imageIdOf(container);
    await callEngine('start the tool container', (abortSignal) => container.start({ abortSignal }), 60_000);
    this.#spare.prepare();
    log.info({ container: name, image }, 'tool container started');
  }

  /** Creates the container. If another process has created one of this name since ours was removed, that one is removed, too. */
  async #createInPlace(create: (signal: AbortSignal) => Promise<Docker.Container>): Promise<Docker.Container> {
    for (let left = MAX_CREATES; ; left--) {
      try {
        return await callEngine('create the tool container', create);
      } catch (error) {
        if (left <= 1 || !hasStatus(error, 409)) throw error;
        await this.remove();
      }
    }
  }

  async #imageIdOf(container: Docker.Container): Promise<string> {
    const { Image } = await callEngine('inspect the tool container', (abortSignal) =>
      container.inspect({ abortSignal }),
    );
    return Image;
  }

  /** Id of the image that the container was made from; undefined before there was one. */
  get imageId(): string | undefined {
    return this.#imageId;
  }

  /** Removes the container for good: what still uses it gets an error, and doesn't recreate it. @throws EngineError */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#recreating.catch(() => undefined);
    await this.remove();
  }

  /** Runs another image from now on. @throws EngineError */
  async use(image: string): Promise<void> {
    this.#image = image;
    await this.recreate();
  }

  /** Makes sure that it runs. Concurrent calls recreate it only once. @throws EngineError */
  async ensure(): Promise<void> {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined;
    });
    await this.#ensuring;
  }

  async #ensure(): Promise<void> {
    this.#demandOpen();
    if ((await this.#socketNow()) === this.#socket && (await this.#isRunning())) return;
    this.#options.log.warn({ container: this.#options.name }, 'tool container not running');
    await this.recreate();
  }

  #demandOpen(): void {
    if (this.#isClosed) throw new EngineError('docker engine: the tool container is closed', undefined, undefined);
  }

  /**
   * Identifies the engine's current socket. A restarted engine makes a new one, while a container that survives the restart
   * (live-restore) still has the old one mounted, where nothing answers. Undefined if the socket isn't on this machine.
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
   * Starts a command. Checks the container only if the engine reports it missing or stopped, so that a build costs one exec.
   * @throws EngineError
   */
  async start(command: ToolCommand): Promise<ToolProcess> {
    if ((await this.#socketNow()) !== this.#socket) await this.ensure();
    const waiting = await this.#waiting(command);
    if (waiting) return waiting;
    try {
      return await this.#start(command);
    } catch (error) {
      if (!(error instanceof EngineError) || !hasStatus(error, 404, 409)) throw error;
      await this.ensure();
      return await this.#start(command);
    }
  }

  /** Returns a process of the command that a spare shell has become. */
  async #waiting({
    argv,
    env = [],
    user,
    stdin = false,
    mayPrintFirst = false,
  }: ToolCommand): Promise<ToolProcess | undefined> {
    if (user === undefined || (stdin && !mayPrintFirst)) return undefined;
    const process = this.#spare.take({ argv, env, user, stdin });
    if (!process || !stdin) return process;
    await process.hasPrinted();
    return process.isOpen ? process : undefined;
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

  /** Runs a short command and collects its output. @throws EngineError */
  async capture(
    argv: readonly string[],
    timeoutMs: number,
  ): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
    const running = await this.start({ argv });
    return await running.capture(timeoutMs);
  }

  /** Runs a command as root without recreating the container: if that is gone, so is the process to signal. @throws EngineError */
  async signal(argv: readonly string[]): Promise<void> {
    const running = await this.#start({ argv, user: ROOT });
    await running.capture(SIGNAL_TIMEOUT_MS);
  }

  /** Removes the container with all that runs in it. @throws EngineError */
  async remove(): Promise<void> {
    this.#spare.drop();
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
