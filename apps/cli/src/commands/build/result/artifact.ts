import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { UsageError } from '../../../io/errors.ts';
import type { Io } from '../../../io/output.ts';
import type { Destination } from '../request/output-flag.ts';
import { extractTar } from './extract-tar.ts';

/** Downloads the build's artifact to the destination of `-o`. @throws UsageError if it arrives damaged or can't be written */
export async function fetchArtifact(
  client: KilnClient,
  build: BuildView,
  destination: Destination,
  { out, cwd }: Pick<Io, 'out' | 'cwd'>,
): Promise<void> {
  const { body } = await client.artifact(build.id);
  const checked = verified(body, build.result?.artifact?.digest);
  switch (destination.type) {
    case 'stdout':
      for await (const chunk of checked) await out.writeBytes(chunk);
      return;
    case 'file':
      return writeWhole(resolve(cwd, destination.path), checked);
    case 'directory':
      return extractTar(checked, resolve(cwd, destination.path));
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

async function* verified(bytes: AsyncIterable<Uint8Array>, digest: string | undefined): AsyncGenerator<Uint8Array> {
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
