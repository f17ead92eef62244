import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { connectEngine } from '../engine.ts';
import { engine, IMAGES, until } from './lab.ts';

export interface PrivateEngine extends AsyncDisposable {
  readonly engine: ReturnType<typeof connectEngine>;
  /** Path of its socket on this machine. */
  readonly socket: string;
  /** The same where the engine itself sees it. */
  readonly innerSocket: string;
  /** A directory that this machine and the engine see under the same path. */
  readonly dir: string;
  /** Kills the engine with all that it runs, as a crash would, and starts it again. */
  restart(): Promise<void>;
  /** The two halves of `restart`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const INNER = '/run/buildkit';
/** Where the stand-in keeps images and caches. */
const DATA = '/var/lib/buildkit';

/**
 * A docker engine of the test's own, to be killed: the stand-in for BuildKit's image runs one in a container.
 * @param images to copy into it
 * @param diskBytes size of its disk; without it that of this machine
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
