import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { BlobStore } from '@kiln/blobs';
import { type Digest, EntryTree, INLINE_BYTES, readTar, type TarEntry } from '@kiln/trees';

/** Small files are written to the spool together, bytes. */
const BUFFER_BYTES = 256 * 1024;
/** Most bytes that are read from it at once. */
const MAX_SPAN_BYTES = 4 * 1024 * 1024;
/** What an entry costs beyond its content, bytes: counted, so that a flood of empty files isn't free. */
const ENTRY_BYTES = 128;

/** Where the content of a file is until the whole archive has been read. */
export type SpooledContent = SmallContent | LargeContent;

/** In the spool, from byte `at` on. */
export interface SmallContent {
  readonly at: number;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** In a file of its own. */
export interface LargeContent {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

export type SpooledNode =
  | { readonly type: 'file'; readonly mode: number; readonly mtimeNs: bigint; readonly content: SpooledContent }
  | { readonly type: 'directory'; readonly mode: number; readonly mtimeNs: bigint }
  | { readonly type: 'symlink'; readonly target: string; readonly mtimeNs: bigint };

export interface SpoolOptions {
  readonly maxUnpackedContextBytes: number;
  readonly maxContextEntries: number;
  /** Called for bytes before they are written to the disk. */
  readonly take: (bytes: number) => Promise<void>;
}

const IMPLIED_DIRECTORY: SpooledNode = { type: 'directory', mode: 0o755, mtimeNs: 0n };

/**
 * The entries of a tar with their contents on the disk: of small files in one file, of larger ones in a file each. In memory are names and digests only.
 * Disposing of it deletes the files, except those that were taken over.
 */
export class TarSpool implements AsyncDisposable {
  /** By path, without the root. */
  readonly nodes = new Map<string, SpooledNode>();
  readonly #blobs: Pick<BlobStore, 'tempPath'>;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #larger = new Set<string>();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #written = 0;

  private constructor(blobs: Pick<BlobStore, 'tempPath'>, path: string, file: FileHandle) {
    this.#blobs = blobs;
    this.#path = path;
    this.#file = file;
  }

  /** Reads a tar, plain or gzipped, to its end. @throws TarFault; what `bytes` or `take` throws; the file system's errors */
  static async of(
    bytes: AsyncIterable<Buffer>,
    blobs: Pick<BlobStore, 'tempPath'>,
    options: SpoolOptions,
  ): Promise<TarSpool> {
    await using stack = new AsyncDisposableStack();
    const path = await blobs.tempPath();
    const spool = stack.use(new TarSpool(blobs, path, await open(path, 'wx+', 0o600)));
    const tree = new EntryTree(options.maxContextEntries);
    for await (const entry of readTar(bytes, { maxBytes: options.maxUnpackedContextBytes })) {
      const { path: at, linked } = tree.add(entry);
      await options.take(ENTRY_BYTES);
      if (at !== '') spool.nodes.set(at, await spool.#node(entry, linked, options.take));
    }
    for (const [at] of tree.nodes()) if (!spool.nodes.has(at)) spool.nodes.set(at, IMPLIED_DIRECTORY);
    await spool.#flush();
    stack.move();
    return spool;
  }

  /** Reads the contents of small files, in this order. Those of one directory are mostly side by side, and then read together. */
  async *read(contents: readonly SmallContent[]): AsyncGenerator<Buffer> {
    if (contents.length === 0) return;
    const first = contents.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
    const end = contents.reduce((most, { at, sizeBytes }) => Math.max(most, at + sizeBytes), 0);
    const sum = contents.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
    const isDense = end - first <= MAX_SPAN_BYTES && end - first <= 2 * sum;
    const span = isDense ? await this.#bytes(first, end - first) : undefined;
    for (const { at, sizeBytes } of contents)
      yield span ? span.subarray(at - first, at - first + sizeBytes) : await this.#bytes(at, sizeBytes);
  }

  /** Leaves the file of a larger file to the caller; undefined if it was taken over before. */
  release(path: string): string | undefined {
    return this.#larger.delete(path) ? path : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    for (const path of [this.#path, ...this.#larger]) await rm(path, { force: true });
  }

  async #bytes(at: number, count: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(count), 0, count, at);
    if (bytesRead !== count) throw new Error(`the spool of a tar ended after ${bytesRead} of ${count} bytes`);
    return buffer;
  }

  async #node(
    { type, mode, mtimeNs, target, sizeBytes, content }: TarEntry,
    linked: string | undefined,
    take: SpoolOptions['take'],
  ): Promise<SpooledNode> {
    // EntryTree has checked that there is one.
    if (linked !== undefined) return this.nodes.get(linked) as SpooledNode;
    if (type === 'directory') return { type, mode, mtimeNs };
    if (type === 'symlink') return { type, target, mtimeNs };
    const stored = sizeBytes <= INLINE_BYTES ? await this.#small(content, take) : await this.#large(content, take);
    return { type: 'file', mode, mtimeNs, content: stored };
  }

  async #small(content: AsyncIterable<Uint8Array>, take: SpoolOptions['take']): Promise<SpooledContent> {
    const bytes = Buffer.concat(await Array.fromAsync(content));
    await take(bytes.length);
    const at = this.#written + this.#pendingBytes;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= BUFFER_BYTES) await this.#flush();
    return { at, sizeBytes: bytes.length, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
  }

  async #large(content: AsyncIterable<Uint8Array>, take: SpoolOptions['take']): Promise<SpooledContent> {
    const path = await this.#blobs.tempPath();
    this.#larger.add(path);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    await using file = await open(path, 'wx', 0o600);
    for await (const chunk of content) {
      await take(chunk.length);
      hash.update(chunk);
      sizeBytes += chunk.length;
      await file.writeFile(chunk);
    }
    return { path, sizeBytes, digest: `sha256:${hash.digest('hex')}` };
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    [this.#pending, this.#pendingBytes] = [[], 0];
    await this.#file.writeFile(bytes);
    this.#written += bytes.length;
  }
}
