import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { parentOf } from './entry-path.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** How many directories are kept open: more than most trees are deep, fewer than any limit of open files. */
const MAX_OPEN = 64;
/** Mode until everything is written: only this process's user has access. */
const NEW_MODE = 0o700;

/** A path that should be a directory is a file or a symbolic link. */
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
  /** Prefix of paths in the directory. */
  readonly base: string;
}

/**
 * Opens the directories below a root, each from its parent and never through a symbolic link. On Linux paths then go through the open directories
 * (`/proc/self/fd`), so that a link which replaces a directory meanwhile isn't followed either.
 */
export class RealDirs implements AsyncDisposable {
  readonly #root: string;
  /** By path, the most recently used last. */
  readonly #open = new Map<string, OpenDir>();
  readonly #made = new Set<string>();

  /** @param root an existing directory. Links on the way to it are followed. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Directories that `at` has created. */
  get made(): ReadonlySet<string> {
    return this.#made;
  }

  /**
   * Returns a path for a single system call on `path`, relative to the root; valid until the next call. Creates missing parent directories.
   * @throws NotADirectory @throws the file system's errors
   */
  async at(path: string): Promise<string> {
    const { base } = await this.#dir(parentOf(path), true);
    return `${base}/${path.slice(path.lastIndexOf('/') + 1)}`;
  }

  /** Returns the open directory; valid until the next call. @throws NotADirectory @throws the file system's errors */
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
    // The root may be a link: the destination is the caller's choice.
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

  /** Closes the least recently used directory. Never the root, whose path may lead elsewhere when it is opened again. */
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

/** Creates the directory; returns false if it already exists. @throws NotADirectory if there is something else */
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
