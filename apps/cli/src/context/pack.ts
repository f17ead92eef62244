import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { UsageError } from '../io/errors.ts';
import type { ContextEntry } from './walk.ts';

/** Files up to this size are read at once: most files are small, and a stream for each costs more than reading it. */
const SMALL_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;

/**
 * Packs entries into a tar, lazily. The same tree yields the same bytes: owner 0, no owner names, times in whole seconds.
 * A file that has grown since it was listed is cut at its listed size. @throws UsageError if a file has shrunk
 */
export async function* packContext(root: string, entries: readonly ContextEntry[]): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const filled = fill(tar, root, entries).catch((error: Error) => tar.destroy(error));
  try {
    for await (const chunk of tar as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    tar.destroy();
    await filled;
  }
}

async function fill(tar: Pack, root: string, entries: readonly ContextEntry[]): Promise<void> {
  for (const entry of entries) {
    if (tar.destroying) return;
    if (entry.type === 'file') await putFile(tar, entry, entry.from ?? join(root, entry.path));
    else tar.entry(headerOf(entry));
  }
  tar.finalize();
}

function headerOf({ path, type, mode, mtimeMs, sizeBytes, linkTarget }: ContextEntry): Parameters<Pack['entry']>[0] {
  return {
    name: type === 'directory' ? `${path}/` : path,
    type,
    mode,
    uid: 0,
    gid: 0,
    mtime: new Date(Math.floor(mtimeMs / 1000) * 1000),
    size: sizeBytes,
    ...(linkTarget !== undefined && { linkname: linkTarget }),
  };
}

async function putFile(tar: Pack, entry: ContextEntry, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const settle = (error?: Error | null) => (error ? reject(error) : resolve());
  if (entry.sizeBytes > SMALL_BYTES) {
    const sink = tar.entry(headerOf(entry), settle);
    await Promise.all([pipeline(wholeFile(path, entry.sizeBytes), sink), promise]);
    return;
  }
  const data = entry.content ?? (await readFile(path));
  if (data.length < entry.sizeBytes) throw shrank(path);
  tar.entry(headerOf(entry), Buffer.from(data.subarray(0, entry.sizeBytes)), settle);
  await promise;
}

async function* wholeFile(path: string, sizeBytes: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of createReadStream(path, { end: sizeBytes - 1, highWaterMark: CHUNK_BYTES })) {
    read += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (read < sizeBytes) throw shrank(path);
}

function shrank(path: string): UsageError {
  return new UsageError(`${path} shrank while it was being sent; make sure that nothing writes to the context`);
}
