import { createHash, hash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { INLINE_BYTES } from '@kiln/trees';
import type { ContextFile } from '../context-tree.ts';
import { ContextChanged, cannotRead } from '../read-errors.ts';
import type { SystemPath } from '../system-path.ts';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 256 * 1024;
const SLAB_BYTES = 256 * 1024;

/** Reads the contents of files to send, one after the other. */
export class FileReader {
  /** What small files are read into, one after the other: memory for each takes longer to be had than the file. */
  #slab = Buffer.alloc(0);

  /**
   * Yields a file's content from byte `offset` on. All of the file is read, also what is before `offset`, and compared with its digest: if it is other
   * content, throws before the last piece is out. @throws ContextChanged @throws UsageError if it can't be read
   */
  content(file: ContextFile, offset: number): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
    const { content, state } = file;
    if ('bytes' in content) return [content.bytes.subarray(offset)];
    return state.sizeBytes <= INLINE_BYTES
      ? [this.#smallFile(content.path, file)]
      : largeFile(content.path, file, offset);
  }

  /** Synchronously, as that takes a fraction of the time. One byte more than the size is asked for, to see that there is none. */
  #smallFile(path: SystemPath, { state, digest }: ContextFile): Uint8Array {
    const wanted = state.sizeBytes + 1;
    if (this.#slab.length < wanted) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    let length = 0;
    try {
      const file = openSync(path as string, FLAGS);
      try {
        for (let read = -1; read !== 0 && length < wanted; length += read)
          read = readSync(file, this.#slab, length, wanted - length, null);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw whyNot(path, error);
    }
    const content = this.#slab.subarray(0, length);
    if (length !== state.sizeBytes || `sha256:${hash('sha256', content)}` !== digest) throw new ContextChanged(path);
    this.#slab = this.#slab.subarray(length);
    return content;
  }
}

async function* largeFile(path: SystemPath, file: ContextFile, offset: number): AsyncGenerator<Uint8Array> {
  let handle: FileHandle;
  try {
    handle = await open(typeof path === 'string' ? path : Buffer.from(path), FLAGS);
  } catch (error) {
    throw whyNot(path, error);
  }
  await using from = handle;
  const sha256 = createHash('sha256');
  let at = 0;
  let held: Buffer | undefined;
  while (at < file.state.sizeBytes) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, file.state.sizeBytes - at));
    const { bytesRead } = await from.read(chunk, 0, chunk.length, at).catch((error) => {
      throw whyNot(path, error);
    });
    if (bytesRead === 0) throw new ContextChanged(path);
    const bytes = chunk.subarray(0, bytesRead);
    sha256.update(bytes);
    // The last piece is held back until the digest is known.
    if (held) yield held;
    const skipped = Math.min(bytes.length, Math.max(0, offset - at));
    held = skipped < bytes.length ? bytes.subarray(skipped) : undefined;
    at += bytes.length;
  }
  if (`sha256:${sha256.digest('hex')}` !== file.digest) throw new ContextChanged(path);
  if (held) yield held;
}

function whyNot(path: SystemPath, error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
    ? new ContextChanged(path)
    : cannotRead(path, error);
}
