import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type ByteString, byteString, joinBytes, shownBytes } from '@kiln/trees';
import { type Pack, pack } from 'tar-stream';
import { UsageError } from '../io/errors.ts';
import type { ContextDirectory, ContextFile, ContextNode } from './context-tree.ts';
import { type SystemPath, shownPath } from './system-path.ts';

/** Files up to this size are read at once: most files are small, and a stream for each costs more than reading it. */
const SMALL_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;

/**
 * Packs a context into a tar, lazily, for APIs of versions that don't know trees. The same tree yields the same bytes: owner 0, no owner names, times in whole seconds.
 * A file that has grown since it was listed is cut at its listed size. @throws UsageError if a file has shrunk, and for a name that isn't in UTF-8
 */
export async function* packContext(root: ContextDirectory): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const filled = fill(tar, root)
    .then(() => tar.finalize())
    .catch((error: Error) => tar.destroy(error));
  try {
    for await (const chunk of tar as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    tar.destroy();
    await filled;
  }
}

async function fill(tar: Pack, directory: ContextDirectory): Promise<void> {
  for (const child of directory.children) {
    if (tar.destroying) return;
    const path = nameInTar(joinBytes(directory.path, child.name));
    if (child.type === 'file') await putFile(tar, path, child);
    else tar.entry(headerOf(path, child));
    if (child.type === 'directory') await fill(tar, child);
  }
}

function nameInTar(path: ByteString): string {
  const text = shownBytes(path);
  if (byteString(text) === path) return text;
  throw new UsageError(
    `${JSON.stringify(text)}: got a name that isn't in UTF-8, expected one that is, because this API is of an older version`,
  );
}

function headerOf(path: string, node: ContextNode): Parameters<Pack['entry']>[0] {
  const mtimeNs = node.type === 'file' ? node.state.mtimeNs : node.mtimeNs;
  return {
    name: node.type === 'directory' ? `${path}/` : path,
    type: node.type,
    mode: node.type === 'symlink' ? 0o777 : node.mode,
    uid: 0,
    gid: 0,
    mtime: new Date(Number(mtimeNs / 1_000_000_000n) * 1000),
    size: node.type === 'file' ? node.state.sizeBytes : 0,
    ...(node.type === 'symlink' && { linkname: shownBytes(node.target) }),
  };
}

async function putFile(tar: Pack, name: string, file: ContextFile): Promise<void> {
  const { content, state } = file;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const settle = (error?: Error | null) => (error ? reject(error) : resolve());
  if ('path' in content && state.sizeBytes > SMALL_BYTES) {
    const sink = tar.entry(headerOf(name, file), settle);
    await Promise.all([pipeline(wholeFile(content.path, state.sizeBytes), sink), promise]);
    return;
  }
  const data = 'bytes' in content ? content.bytes : await readFile(content.path as string);
  if (data.length < state.sizeBytes) throw shrank(name);
  tar.entry(headerOf(name, file), Buffer.from(data.subarray(0, state.sizeBytes)), settle);
  await promise;
}

async function* wholeFile(path: SystemPath, sizeBytes: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of createReadStream(path as string, { end: sizeBytes - 1, highWaterMark: CHUNK_BYTES })) {
    read += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (read < sizeBytes) throw shrank(shownPath(path));
}

function shrank(path: string): UsageError {
  return new UsageError(`${path} shrank while it was being sent; make sure that nothing writes to the context`);
}
