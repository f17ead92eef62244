import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { readTar } from '@kiln/trees';
import { UsageError } from '../../../io/errors.ts';
import type { Io } from '../../../io/output.ts';
import type { Destination } from '../request/parse-output.ts';
import { extractTar } from './extract-tar.ts';

/**
 * Downloads the build's artifact to the destinations of `-o`: all of it to one, or each of its files to one of several.
 * @throws UsageError if it arrives damaged or can't be written
 */
export async function fetchArtifact(
  client: KilnClient,
  build: BuildView,
  destinations: readonly Destination[],
  io: ArtifactIo,
): Promise<void> {
  const { body } = await client.artifact(build.id);
  const checked = verified(body, build.result?.artifact?.digest);
  const [only, ...more] = destinations;
  if (only && more.length === 0) return deliver(checked, only, io);
  const rest = [...destinations];
  for await (const entry of readTar(checked)) {
    const destination = rest.shift();
    if (!destination) throw new UsageError(`the artifact has more than ${destinations.length} files`);
    await deliver(entry.content, destination, io);
  }
  if (rest.length > 0) throw new UsageError(`the artifact has ${rest.length} files less than expected`);
}

type ArtifactIo = Pick<Io, 'out' | 'cwd' | 'env'>;

async function deliver(bytes: AsyncIterable<Uint8Array>, to: Destination, { out, cwd, env }: ArtifactIo) {
  switch (to.type) {
    case 'stdout':
      for await (const chunk of bytes) await out.writeBytes(chunk);
      return;
    case 'file':
      return writeWhole(resolve(cwd, to.path), bytes);
    case 'directory':
      return extractTar(bytes, resolve(cwd, to.path));
    case 'engine': {
      // Most builds need no engine on this machine.
      const { loadImage } = await import('./client-engine.ts');
      return loadImage(to, env, bytes);
    }
  }
}

/** Writes a file that appears only once it is complete. What isn't a regular file, such as `/dev/null`, is written to and not replaced. */
async function writeWhole(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile()) return await pipeline(Readable.from(bytes), createWriteStream(path));
  const partial = `${path}.${process.pid}.partial`;
  try {
    await pipeline(Readable.from(bytes), createWriteStream(partial));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Passes bytes on, and makes sure at their end that they have the digest. @throws UsageError */
export async function* verified(
  bytes: AsyncIterable<Uint8Array>,
  digest: string | undefined,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const got = `sha256:${hash.digest('hex')}`;
  if (digest !== undefined && got !== digest) {
    throw new UsageError(`the artifact arrived damaged: got ${got}, expected ${digest}`);
  }
}
