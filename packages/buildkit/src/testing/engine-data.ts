import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { connectEngine } from '../engine/engine.ts';
import { engine, IMAGES } from './lab.ts';
import { DATA, loadImages, RUN, upEngine } from './load-images.ts';
import { oncePerRun } from './once-per-run.ts';

const run = promisify(execFile);

/** Directories of an engine's data whose files are never changed once they are written: images' layers, unpacked and as blobs. */
const FIXED = [
  'containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots',
  'containerd/daemon/io.containerd.content.v1.content/blobs',
];

/**
 * Writes the data directory of an engine that has the images, for an engine that is started on it. It is a copy of one that is made once per
 * test run, and shares the layers with it by hard links: loading the images takes seconds of CPU time for each engine.
 * @returns whether it did; it can't outside a run of vitest, or without root
 */
export async function copyEngineData(images: readonly string[], into: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const names = [...images].sort();
  // Short, because the path of a socket may be no longer than 107 bytes.
  const name = createHash('sha256').update(names.join()).digest('hex').slice(0, 8);
  const from = await oncePerRun(`engine-${name}`, (path) => makeEngineData(names, path));
  if (from === undefined) return false;
  await mkdir(into, { recursive: true });
  await run('cp', ['-a', `${join(from, 'data')}/.`, into]);
  for (const [i, fixed] of FIXED.entries()) {
    const shared = join(from, `fixed${i}`);
    if (existsSync(shared)) await run('cp', ['-al', shared, join(into, fixed)]);
  }
  return true;
}

async function makeEngineData(images: readonly string[], path: string): Promise<void> {
  const data = join(path, 'data');
  await mkdir(data, { recursive: true });
  const container = await engine.createContainer({
    Image: IMAGES.buildkit,
    HostConfig: { Privileged: true, Binds: [`${data}:${DATA}`, `${join(path, 'run')}:${RUN}`] },
  });
  try {
    await container.start();
    const inner = connectEngine(join(path, 'run', 'docker.sock'));
    await upEngine(inner);
    await loadImages(inner, images);
    // In order, so that its databases are complete.
    await container.stop({ t: 60 });
  } finally {
    await container.remove({ force: true, v: true });
  }
  // Each engine is to have its own id, and networks that suit the place where it runs.
  for (const own of ['engine-id', 'network']) await rm(join(data, own), { recursive: true, force: true });
  for (const [i, fixed] of FIXED.entries()) {
    if (!existsSync(join(data, fixed))) continue;
    await rename(join(data, fixed), join(path, `fixed${i}`));
    await mkdir(dirname(join(data, fixed)), { recursive: true });
  }
}
