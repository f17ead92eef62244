import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectEngine } from '../engine/engine.ts';
import { copyEngineData } from './engine-data.ts';
import { engine, IMAGES } from './lab.ts';
import { DATA, loadImages, RUN, upEngine } from './load-images.ts';

const run = promisify(execFile);

export interface PrivateEngine extends AsyncDisposable {
  readonly engine: ReturnType<typeof connectEngine>;
  /** Path of its socket on this machine. */
  readonly socket: string;
  /** Path of its socket as the engine itself sees it. */
  readonly innerSocket: string;
  /** A directory with the same path on this machine and in the engine's container. */
  readonly dir: string;
  /** Kills the engine with everything that it runs, like a crash, and starts it again. */
  restart(): Promise<void>;
  /** The first half of `restart`. */
  stop(): Promise<void>;
  /** The second half of `restart`. */
  start(): Promise<void>;
}

export interface PrivateEngineOptions {
  /** Size of its disk. Default: this machine's. */
  readonly diskBytes?: number;
  /** Whether it has the classic image store instead of containerd's. */
  readonly classicStore?: boolean;
}

/** The substitute for BuildKit, with one setting of its engine changed. */
const WITH_CLASSIC_STORE =
  'sed \'s/"containerd-snapshotter":true/"containerd-snapshotter":false/\' /usr/bin/buildkitd > /tmp/buildkitd && exec perl /tmp/buildkitd';

/**
 * Starts a separate Docker Engine in a container, from the tests' substitute for BuildKit's image.
 * @param images images to copy into it
 */
export async function startPrivateEngine(
  images: readonly string[],
  { diskBytes, classicStore = false }: PrivateEngineOptions = {},
): Promise<PrivateEngine> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-engine-'));
  const data = join(dir, 'data');
  const prepared = diskBytes === undefined && (await copyEngineData(images, data));
  const container = await engine.createContainer({
    Image: IMAGES.buildkit,
    ...(classicStore && { Entrypoint: ['sh', '-c', WITH_CLASSIC_STORE] }),
    HostConfig: {
      Privileged: true,
      Binds: [`${dir}:${dir}`, `${dir}/run:${RUN}`, ...(prepared ? [`${data}:${DATA}`] : [])],
      ...(diskBytes !== undefined && { Tmpfs: { [DATA]: `size=${diskBytes}` } }),
    },
  });
  await container.start();
  const socket = join(dir, 'run', 'docker.sock');
  const inner = connectEngine(socket);
  await upEngine(inner);
  if (!prepared) await loadImages(inner, images);
  const stop = () => container.kill();
  const start = async () => {
    await container.start();
    await upEngine(inner);
  };
  return {
    engine: inner,
    socket,
    innerSocket: `${RUN}/docker.sock`,
    dir,
    stop,
    start,
    async restart() {
      await stop();
      await start();
    },
    async [Symbol.asyncDispose]() {
      await container.remove({ force: true, v: true });
      // Thousands of files, which Node removes at several times the cost.
      await run('rm', ['-rf', dir]);
    },
  };
}
