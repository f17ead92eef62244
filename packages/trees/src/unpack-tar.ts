import { constants } from 'node:fs';
import { type FileHandle, link, lutimes, mkdir, open, rm, symlink } from 'node:fs/promises';
import { EntryTree } from './entry-tree.ts';
import { type ReadTarOptions, readTar, type TarEntry } from './read-tar.ts';
import { makeDir, NotADirectory, RealDirs } from './real-dirs.ts';
import { quoted, TarFault } from './tar-fault.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** Up to here a file is gathered first, and written while the next entries are read. */
const SMALL_BYTES = 256 * 1024;
/** Set-user-ID and set-group-ID. */
const SET_ID = 0o6000;
/** Small files being written at a time. */
const MAX_WRITES = 8;
/** Of directories that have no entry of their own. */
const IMPLIED_MODE = 0o755;

export interface UnpackOptions extends ReadTarOptions {
  /** Bits of modes that are kept. Default: all twelve. */
  readonly modeMask?: number;
  readonly signal?: AbortSignal;
}

export interface Unpacked {
  readonly tree: EntryTree;
  /** Modes of files with set-user-ID or set-group-ID bits, which a change of the owner takes away; by path. */
  readonly setIdModes: ReadonlyMap<string, number>;
}

interface Stamp {
  readonly mode: number;
  readonly mtimeMs: number | undefined;
}

/**
 * Unpacks a tar, plain or gzipped, below `root`, which is made where it is missing. Nothing is written, changed or followed outside of it, whatever
 * the archive holds and whatever lies in `root` already: files, links and directories of the archive take the place of what is there, but no
 * entry goes through a symbolic link. Links that lead out are made as they are. Modes and times are the archive's, owners this process's.
 * @returns what was unpacked
 * @throws TarFault @throws NotADirectory where a directory is needed and something else was there; the file system's errors;
 * whatever `bytes` throws; the signal's reason
 */
export async function unpackTar(
  bytes: AsyncIterable<Uint8Array>,
  root: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  await mkdir(root, { recursive: true });
  await using unpacker = new Unpacker(root, options.modeMask ?? 0o7777);
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
  /** Where hard links' files are looked up: both directories have to stay open for one call. */
  readonly #linked: RealDirs;
  readonly #modeMask: number;
  readonly #stamps = new Map<string, Stamp>();
  readonly #writes = new Set<Promise<void>>();
  #failed: { readonly error: unknown } | undefined;

  constructor(root: string, modeMask: number) {
    this.#dirs = new RealDirs(root);
    this.#linked = new RealDirs(root);
    this.#modeMask = modeMask;
  }

  async put(entry: TarEntry): Promise<void> {
    if (this.#failed) throw this.#failed.error;
    const { path, linked } = this.tree.add(entry);
    if (path === '') return;
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

  /** Directories last and from the inside out: a mode without w would keep their own files out, and each file changes its directory's time. */
  async finish(): Promise<void> {
    await Promise.all(this.#writes);
    if (this.#failed) throw this.#failed.error;
    for (const path of this.#dirs.made)
      if (!this.#stamps.has(path)) this.#stamps.set(path, { mode: IMPLIED_MODE, mtimeMs: undefined });
    const depth = (path: string) => path.split('/').length;
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
      // The archive has nothing else of this name, so it was there before: what an archive brings replaces it.
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
    // Only the opened file is used from here on, so that what comes next can't change where this goes.
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

  /** Makes something at `path`, in the place of what was there before. */
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
 * Copies a file of an unpacked tree to `destination`, outside of it, without following any link. `path` is a real path: as
 * `EntryTree.resolve` finds it. @throws NotADirectory; the file system's errors
 */
export async function copyOut(root: string, path: string, destination: string): Promise<void> {
  await using dirs = new RealDirs(root);
  const file = await open(await dirs.at(path), constants.O_RDONLY | O_NOFOLLOW);
  await using _ = file;
  if (!(await file.stat()).isFile()) throw new TarFault(`${quoted(path)}, which is not a file`, 'a file', path);
  await using out = await open(destination, 'wx', 0o644);
  for await (const chunk of file.createReadStream({ autoClose: false })) await writeAll(out, chunk as Uint8Array);
}
