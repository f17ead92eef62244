import { constants } from 'node:fs';
import { type FileHandle, link, lutimes, mkdir, open, rm, symlink } from 'node:fs/promises';
import { EntryTree } from './entry-tree.ts';
import { type ReadTarOptions, readTar, type TarEntry } from './read-tar.ts';
import { makeDir, NotADirectory, RealDirs } from './real-dirs.ts';
import { quoted, TarFault } from './tar-fault.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** Up to this size a file is buffered, and written while the next entries are read. */
const SMALL_BYTES = 256 * 1024;
/** Set-user-ID and set-group-ID. */
const SET_ID = 0o6000;
/** How many small files are written concurrently. */
const MAX_WRITES = 8;
/** Mode of directories without an entry of their own. */
const IMPLIED_MODE = 0o755;
const PRIVATE_MODE = 0o700;

export interface UnpackOptions extends ReadTarOptions {
  /** Mask of the mode bits to keep. Default: all twelve. */
  readonly modeMask?: number;
  /** Whether `root`, too, gets the mode and time of the archive's entry for it. Until then, only this process's user has access if it was created. */
  readonly stampRoot?: boolean;
  readonly signal?: AbortSignal;
}

export interface Unpacked {
  readonly tree: EntryTree;
  /** Modes of files with set-user-ID or set-group-ID bits, which a change of the owner clears; by path. */
  readonly setIdModes: ReadonlyMap<string, number>;
}

interface Stamp {
  readonly mode: number;
  readonly mtimeMs: number | undefined;
}

/**
 * Unpacks a tar, plain or gzipped, into `root`, which is created if necessary. Nothing outside of it is written, changed or followed, whatever is in
 * the archive and already in `root`: entries of the archive replace what exists, but are never created through a symbolic link. Links that lead out
 * are created as they are. Modes and times are the archive's, the owner is this process's user.
 * @returns what was unpacked
 * @throws TarFault @throws NotADirectory if something else exists where a directory is needed @throws the file system's errors
 * @throws whatever `bytes` throws @throws the signal's reason
 */
export async function unpackTar(
  bytes: AsyncIterable<Uint8Array>,
  root: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  await mkdir(root, { recursive: true, ...(options.stampRoot && { mode: PRIVATE_MODE }) });
  await using unpacker = new Unpacker(root, options);
  for await (const entry of readTar(bytes, options)) {
    options.signal?.throwIfAborted();
    await unpacker.put(entry);
  }
  await unpacker.finish();
  return unpacker;
}

class Unpacker implements AsyncDisposable, Unpacked {
  readonly tree = new EntryTree();
  readonly setIdModes = new Map<string, number>();
  readonly #dirs: RealDirs;
  /** For the targets of hard links: `link` needs both directories open at the same time. */
  readonly #linked: RealDirs;
  readonly #modeMask: number;
  readonly #stampRoot: boolean;
  readonly #stamps = new Map<string, Stamp>();
  readonly #writes = new Set<Promise<void>>();
  #failed: { readonly error: unknown } | undefined;

  constructor(root: string, { modeMask = 0o7777, stampRoot = false }: UnpackOptions) {
    this.#dirs = new RealDirs(root);
    this.#linked = new RealDirs(root);
    this.#modeMask = modeMask;
    this.#stampRoot = stampRoot;
  }

  async put(entry: TarEntry): Promise<void> {
    if (this.#failed) throw this.#failed.error;
    const { path, linked } = this.tree.add(entry);
    if (path === '') {
      if (this.#stampRoot) this.#stamps.set('', { mode: entry.mode & this.#modeMask, mtimeMs: entry.mtimeMs });
      return;
    }
    switch (entry.type) {
      case 'directory':
        await this.#directory(path, entry);
        return;
      case 'file':
        await this.#file(path, entry);
        return;
      case 'symlink':
        await this.#replacing(path, (at) => symlink(entry.target, at));
        await lutimes(await this.#dirs.at(path), entry.mtimeMs / 1000, entry.mtimeMs / 1000);
        return;
      case 'hardlink':
        await this.#hardlink(path, linked ?? '');
    }
  }

  /** Sets modes and times of directories last, deepest first: a mode without w would prevent creating files, and each file changes its directory's time. */
  async finish(): Promise<void> {
    await Promise.all(this.#writes);
    if (this.#failed) throw this.#failed.error;
    for (const path of this.#dirs.made)
      if (!this.#stamps.has(path)) this.#stamps.set(path, { mode: IMPLIED_MODE, mtimeMs: undefined });
    const depth = (path: string) => (path === '' ? 0 : path.split('/').length);
    const deepestFirst = [...this.#stamps].sort(([a], [b]) => depth(b) - depth(a));
    for (const [path, stamp] of deepestFirst) await this.#stampHandle(await this.#dirs.handle(path), stamp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#writes);
    await this.#dirs[Symbol.asyncDispose]();
    await this.#linked[Symbol.asyncDispose]();
  }

  async #directory(path: string, { mode, mtimeMs }: TarEntry): Promise<void> {
    const at = await this.#dirs.at(path);
    try {
      await makeDir(at, path);
    } catch (error) {
      if (!(error instanceof NotADirectory)) throw error;
      // The archive has no other entry of this name, so it existed before, and the archive's entry replaces it.
      await rm(at, { force: true });
      await makeDir(at, path);
    }
    this.#stamps.set(path, { mode: mode & this.#modeMask, mtimeMs });
  }

  async #file(path: string, entry: TarEntry): Promise<void> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const small = entry.sizeBytes <= SMALL_BYTES ? await gathered(entry) : undefined;
    const handle = await this.#replacing(path, (at) => open(at, flags, 0o600));
    const stamp = { mode: entry.mode & this.#modeMask, mtimeMs: entry.mtimeMs };
    if ((stamp.mode & SET_ID) === 0) this.setIdModes.delete(path);
    else this.setIdModes.set(path, stamp.mode);
    if (!small) {
      await using file = handle;
      for await (const chunk of entry.content) await writeAll(file, chunk);
      return await this.#stampHandle(file, stamp);
    }
    if (this.#writes.size >= MAX_WRITES) await Promise.race(this.#writes);
    // From here on only the open file is used, so later entries can't redirect the write.
    const write = this.#writeSmall(handle, small, stamp)
      .catch((error: unknown) => {
        this.#failed ??= { error };
      })
      .finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  async #writeSmall(handle: FileHandle, content: Uint8Array, stamp: Stamp): Promise<void> {
    await using file = handle;
    if (content.length > 0) await writeAll(file, content);
    await this.#stampHandle(file, stamp);
  }

  async #hardlink(path: string, linked: string): Promise<void> {
    const node = this.tree.get(linked);
    if (node?.target !== undefined) {
      const { target } = node;
      await this.#replacing(path, (at) => symlink(target, at));
      return;
    }
    const from = await this.#linked.at(linked);
    await this.#replacing(path, (at) => link(from, at));
  }

  /** Creates something at `path`, replacing what exists. */
  async #replacing<T>(path: string, make: (at: string) => Promise<T>): Promise<T> {
    try {
      return await make(await this.#dirs.at(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await rm(await this.#dirs.at(path), { recursive: true, force: true });
      return await make(await this.#dirs.at(path));
    }
  }

  async #stampHandle(handle: FileHandle, { mode, mtimeMs }: Stamp): Promise<void> {
    await handle.chmod(mode);
    if (mtimeMs !== undefined) await handle.utimes(mtimeMs / 1000, mtimeMs / 1000);
  }
}

async function gathered({ content }: TarEntry): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  await file.writeFile(chunk);
}

/**
 * Copies a file of an unpacked tree to `destination`, outside of it, without following any link.
 * @param path a real path, from `EntryTree.resolve`
 * @throws NotADirectory @throws TarFault if it isn't a file @throws the file system's errors
 */
export async function copyOut(root: string, path: string, destination: string): Promise<void> {
  await using dirs = new RealDirs(root);
  const file = await open(await dirs.at(path), constants.O_RDONLY | O_NOFOLLOW);
  await using _ = file;
  if (!(await file.stat()).isFile()) throw new TarFault(`${quoted(path)}, which is not a file`, 'a file', path);
  await using out = await open(destination, 'wx', 0o644);
  for await (const chunk of file.createReadStream({ autoClose: false })) await writeAll(out, chunk as Uint8Array);
}
