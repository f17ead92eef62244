import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { parentOf } from './entry-path.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Open at a time: more than most trees are deep, fewer than any limit of open files. */
const MAX_OPEN = 64;
/** Until all is written: only this process's user gets in, and it can write. */
const NEW_MODE = 0o700;

/** A path that should be a directory is something else: a file, or a symbolic link, which is never followed. */
export class NotADirectory extends Error {
  readonly code = 'not_a_directory';
  readonly path: string;

  constructor(path: string) {
    super(`${JSON.stringify(path)} is not a directory`);
    this.name = 'NotADirectory';
    this.path = path;
  }
}

interface OpenDir {
  readonly handle: FileHandle;
  /** What names of things in it are put behind. */
  readonly base: string;
}

/**
 * The directories below a root, each opened from the one above it and never through a symbolic link. On Linux paths then go through the opened
 * directories themselves (`/proc/self/fd`), so that nothing which is put in a directory's place meanwhile is followed either.
 */
export class RealDirs implements AsyncDisposable {
  readonly #root: string;
  /** By path, the last used at the end. */
  readonly #open = new Map<string, OpenDir>();
  readonly #made = new Set<string>();

  /** `root` exists; links on the way to it are the caller's own. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Directories that were made because something was to be put below them. */
  get made(): ReadonlySet<string> {
    return this.#made;
  }

  /**
   * Where `path`, relative to the root, is to be found: for one system call, before the next call here.
   * Missing directories above it are made. @throws NotADirectory
   */
  async at(path: string): Promise<string> {
    const { base } = await this.#dir(parentOf(path), true);
    return `${base}/${path.slice(path.lastIndexOf('/') + 1)}`;
  }

  /** The directory itself, opened; to be used before the next call here. @throws NotADirectory */
  async handle(path: string): Promise<FileHandle> {
    return (await this.#dir(path, false)).handle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { handle } of this.#open.values()) await handle.close();
    this.#open.clear();
  }

  async #dir(path: string, mayMake: boolean): Promise<OpenDir> {
    const known = this.#open.get(path);
    if (known) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    const handle = await this.#openDir(path, mayMake);
    const named = path === '' ? this.#root : `${this.#root}/${path}`;
    const dir = { handle, base: process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : named };
    this.#open.set(path, dir);
    await this.#closeOldest();
    return dir;
  }

  async #openDir(path: string, mayMake: boolean): Promise<FileHandle> {
    // The root may be a link: where things go is the caller's choice.
    if (path === '') return await open(this.#root, O_RDONLY | O_DIRECTORY);
    const { base } = await this.#dir(parentOf(path), mayMake);
    const at = `${base}/${path.slice(path.lastIndexOf('/') + 1)}`;
    try {
      return await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ELOOP' || code === 'ENOTDIR') throw new NotADirectory(path);
      if (code !== 'ENOENT' || !mayMake) throw error;
      await mkdir(at, { mode: NEW_MODE });
      this.#made.add(path);
      return await open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }
  }

  /** Never the root, whose name may by then mean another directory. */
  async #closeOldest(): Promise<void> {
    if (this.#open.size <= MAX_OPEN) return;
    for (const [path, { handle }] of this.#open) {
      if (path === '') continue;
      this.#open.delete(path);
      await handle.close();
      return;
    }
  }
}

/** Makes the directory; answers whether it wasn't there. @throws NotADirectory where something else is */
export async function makeDir(at: string, path: string): Promise<boolean> {
  try {
    await mkdir(at, { mode: NEW_MODE });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (!(await lstat(at)).isDirectory()) throw new NotADirectory(path);
    return false;
  }
}
