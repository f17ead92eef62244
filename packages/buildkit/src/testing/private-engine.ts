import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { connectEngine } from '../engine/engine.ts';
import { engine, IMAGES, until } from './lab.ts';

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

const INNER = '/run/buildkit';
/** Where the engine stores images and caches. */
const DATA = '/var/lib/buildkit';

/**
 * Starts a separate Docker Engine in a container, from the tests' substitute for BuildKit's image.
 * @param images images to copy into it
 * @param diskBytes size of its disk. Default: this machine's
 */
export async function startPrivateEngine(images: readonly string[], diskBytes?: number): Promise<PrivateEngine> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-engine-'));
  const container = await engine.createContainer({
    Image: IMAGES.buildkit,
    HostConfig: {
      Privileged: true,
      Binds: [`${dir}:${dir}`, `${dir}/run:${INNER}`],
      ...(diskBytes !== undefined && { Tmpfs: { [DATA]: `size=${diskBytes}` } }),
    },
  });
  await container.start();
  const socket = join(dir, 'run', 'docker.sock');
  const inner = connectEngine(socket);
  const up = () =>
    until(
      async () =>
        inner.ping().then(
          () => true,
          () => false,
        ),
      60_000,
    );
  await up();
  for (const image of images) {
    const load = await inner.loadImage(await engine.getImage(image).get());
    await pipeline(load, async (progress) => {
      for await (const _ of progress);
    });
  }
  const stop = () => container.kill();
  const start = async () => {
    await container.start();
    await up();
  };
  return {
    engine: inner,
    socket,
    innerSocket: `${INNER}/docker.sock`,
    dir,
    stop,
    start,
    async restart() {
      await stop();
      await start();
    },
    async [Symbol.asyncDispose]() {
      await container.remove({ force: true, v: true });
      await rm(dir, { recursive: true, force: true });
    },
  };
}
