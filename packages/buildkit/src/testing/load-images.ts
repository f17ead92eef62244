import { pipeline } from 'node:stream/promises';
import type { connectEngine } from '../engine/engine.ts';
import { engine, until } from './lab.ts';

type Engine = ReturnType<typeof connectEngine>;

/** Where the engine of the tests' substitute for BuildKit's image has its socket. */
export const RUN = '/run/buildkit';
/** Where it stores images and caches. */
export const DATA = '/var/lib/buildkit';

/** Waits until the engine answers. */
export async function upEngine(inner: Engine): Promise<void> {
  const answers = async () =>
    inner.ping().then(
      () => true,
      () => false,
    );
  await until(answers, 60_000);
}

/** Copies images of this machine's engine into another one. */
export async function loadImages(inner: Engine, images: readonly string[]): Promise<void> {
  for (const image of images) {
    const load = await inner.loadImage(await engine.getImage(image).get());
    await pipeline(load, async (progress) => {
      for await (const _ of progress);
    });
  }
}
