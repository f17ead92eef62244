import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
// Not by name: Node 22 has zstd only since 22.15, and would load nothing that imports it.
import * as zlib from 'node:zlib';
import { UsageError } from '../io/errors.ts';

/** Compression formats besides gzip, which the API reads itself. */
export type Packer = 'bzip2' | 'xz' | 'zstd';

/** Detects the compression of a stream by its first bytes. */
export function packerOf(start: Buffer): Packer | undefined {
  if (start.toString('latin1', 0, 3) === 'BZh') return 'bzip2';
  if (start.toString('latin1', 0, 6) === '\xfd7zXZ\0') return 'xz';
  if (start.length >= 4 && start.readUInt32BE(0) === 0x28b52ffd) return 'zstd';
  return undefined;
}

/** Decompresses bytes. Like docker, uses the programs bzip2 and xz. @throws UsageError if the program is missing or the bytes are damaged */
export async function* unpacked(bytes: AsyncIterable<Uint8Array>, packer: Packer): AsyncGenerator<Uint8Array> {
  if (packer === 'zstd') yield* unpackedHere(bytes);
  else yield* unpackedBy(packer, bytes);
}

async function* unpackedHere(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (!('createZstdDecompress' in zlib)) {
    throw new UsageError(
      `got a context compressed with zstd, which Node ${process.version} can't read; expected v22.15 or newer`,
    );
  }
  const zstd = zlib.createZstdDecompress();
  // The loop below receives the same error.
  pipeline(Readable.from(bytes), zstd).catch(() => {});
  try {
    for await (const chunk of zstd) yield chunk as Buffer;
  } catch (error) {
    throw damaged('zstd', (error as Error).message);
  }
}

async function* unpackedBy(program: 'bzip2' | 'xz', bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const child = spawn(program, ['-dc'], { stdio: 'pipe' });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  ended.catch(() => {});
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(0, 1_000);
  });
  // If the program exits early, its exit code is reported below.
  pipeline(Readable.from(bytes), child.stdin).catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    if ((await ended) !== 0) throw damaged(program, said.trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UsageError(
      `the context on standard input is compressed with ${program}, which is not installed; install it, or send a tar or a gzipped tar`,
    );
  } finally {
    child.kill();
  }
}

function damaged(packer: Packer, what: string): UsageError {
  return new UsageError(`the context on standard input is damaged: ${packer}: ${what}`);
}
