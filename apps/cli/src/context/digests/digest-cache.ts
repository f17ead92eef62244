import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ByteString, type Digest, INLINE_BYTES, joinBytes } from '@kiln/trees';
import { type ContextDirectory, directoriesIn, fileNamesIn } from '../context-tree.ts';
import type { FileState } from '../file-state.ts';
import { type CacheContent, decodeCache, encodeCache, MAX_CACHE_BYTES, RECORD } from './cache-format.ts';
import { DirectoryDigests, Fingerprints } from './directory-digests.ts';
import { removeOldCaches } from './old-caches.ts';

const DAY_MS = 24 * 3600_000;
/** Digests of files that no build has asked for are forgotten after so many days. */
const KEPT_DAYS = 30;

/**
 * A file whose time is this close to that of its reading could change again without a change of its state, in ms: clocks of file systems tick every
 * 1 to 10 ms, those of some every 2 s. Git has the same rule for its index ("racy git").
 */
const UNSETTLED_MS = 2_000;

/** A file with fewer records is written whenever one changes. */
const MANY_RECORDS = 1_000;
/** So many small files are read again in less time than it takes to write many records. */
const MAX_UNWRITTEN = 32;

/** Whether a file that is read at `readAtMs` can't change afterwards without a change of its state. */
export function isSettled({ mtimeNs, ctimeNs }: FileState, readAtMs: number): boolean {
  // A file's owner can set the one to any time, and not the other.
  return ms(ctimeNs) < readAtMs - UNSETTLED_MS && Math.abs(ms(mtimeNs) - readAtMs) > UNSETTLED_MS;
}

function ms(ns: bigint): number {
  return Number(ns / 1_000_000n);
}

/** Returns the directory of all caches of this user, if there is one: `$XDG_CACHE_HOME/kiln`, or `.cache/kiln` in the home directory. */
export function cacheHome(env: Readonly<Record<string, string | undefined>>): string | undefined {
  // An XDG variable that isn't absolute doesn't count, by its specification.
  if (env.XDG_CACHE_HOME?.startsWith('/')) return join(env.XDG_CACHE_HOME, 'kiln');
  return env.HOME?.startsWith('/') ? join(env.HOME, '.cache/kiln') : undefined;
}

export interface DigestCacheOptions {
  /** The directory of all caches; undefined for a cache that isn't kept. */
  readonly home: string | undefined;
  /** The context's absolute path. */
  readonly root: string;
  readonly nowMs: number;
}

/**
 * The digests of a context's files and directories, remembered in two files so that an unchanged context needn't be read, and an unchanged directory neither be
 * looked up file by file nor encoded. Nothing depends on it: one that is broken, of
 * another version, or can't be read or written is as good as none. Builds of one context at the same time each replace it whole.
 */
export class DigestCache {
  readonly #paths: Paths | undefined;
  readonly #root: string;
  readonly #today: number;
  readonly #nowMs: number;
  readonly #directories: DirectoryDigests;
  readonly #fingerprints = new Fingerprints();
  #content: CacheContent | undefined;
  /** Records since the file was read; undefined for what is known no longer. */
  readonly #changes = new Map<ByteString, Buffer | undefined>();
  #hasChanged = false;
  /** Whether a change has to be kept: a digest that is wrong, or one of a file that takes long to read. */
  #mustWrite = false;
  #wasTouched = false;

  private constructor(options: DigestCacheOptions, paths: Paths | undefined, directories: DirectoryDigests) {
    this.#paths = paths;
    this.#root = options.root;
    this.#nowMs = options.nowMs;
    this.#today = Math.floor(options.nowMs / DAY_MS);
    this.#directories = directories;
  }

  static async open(options: DigestCacheOptions): Promise<DigestCache> {
    const { home, root } = options;
    const name = createHash('sha256').update(root).digest('hex').slice(0, 32);
    const paths = home === undefined ? undefined : pathsIn(home, name);
    const bytes = paths && (await readFile(paths.directories).catch(() => undefined));
    return new DigestCache(options, paths, DirectoryDigests.decode(bytes));
  }

  /** Read only if some directory has changed. */
  get #known(): CacheContent {
    this.#content ??= decodeCache(this.#paths && readIfThere(this.#paths.files), this.#root);
    return this.#content;
  }

  /** Returns the digest of a directory in which nothing has changed. Its directories must have theirs. */
  findDirectory(directory: ContextDirectory): Digest | undefined {
    const fingerprint = this.#fingerprints.of(directory);
    return fingerprint === undefined ? undefined : this.#directories.find(fingerprint);
  }

  /** Remembers the digest of a directory that was encoded, if all of its files are settled. Returns whether it was remembered already. */
  putDirectory(directory: ContextDirectory, digest: Digest): boolean {
    const now = Date.now();
    // Files were read after the cache was opened.
    const settled = directory.children.every(
      (child) => child.type !== 'file' || (isSettled(child.state, this.#nowMs) && isSettled(child.state, now)),
    );
    const fingerprint = settled ? this.#fingerprints.of(directory) : undefined;
    if (fingerprint === undefined) return false;
    const isKnown = this.#directories.find(fingerprint) === digest;
    this.#directories.put(fingerprint, digest);
    return isKnown;
  }

  /** Notes times that are sent with the context. Returns whether earlier builds of it have sent others. */
  noteTimes(digest: Digest): boolean {
    // No directory has this fingerprint: both are digests, of different things.
    const key = digest.slice(digest.indexOf(':') + 1);
    if (this.#directories.find(key) === digest) return false;
    this.#directories.put(key, digest);
    return !this.#directories.isNew;
  }

  forgetDirectories(): void {
    this.#directories.forget();
  }

  /** Returns the SHA-256, in hexadecimal, of a file in this state. */
  find(path: ByteString, state: FileState): string | undefined {
    const at = this.#matching(path, state);
    if (at === undefined) return undefined;
    const { bytes } = this.#known;
    RECORD.setDay(bytes, at, this.#today);
    return RECORD.sha256(bytes, at);
  }

  /** Remembers a digest, if the file that was read at `readAtMs` is settled. */
  put(path: ByteString, state: FileState, sha256: string, readAtMs: number): void {
    if (isSettled(state, readAtMs)) {
      // Smaller ones travel with their directory in any case.
      if (state.sizeBytes > INLINE_BYTES) this.#mustWrite = true;
      this.#change(path, RECORD.encode(path, state, sha256, this.#today));
      return;
    }
    // A record of another state does no harm, and all would have to be written without it.
    if (this.#matching(path, state) !== undefined || this.#changes.has(path)) this.forget(path);
  }

  forget(path: ByteString): void {
    if (this.#known.records.get(path) === undefined && !this.#changes.has(path)) return;
    this.#mustWrite = true;
    this.#change(path, undefined);
  }

  /** Writes what has changed. Never fails: a cache that isn't there costs time only. @param tree the context, whose files are in use */
  async save(tree?: ContextDirectory): Promise<void> {
    const paths = this.#paths;
    if (paths === undefined) return;
    try {
      if (this.#isWorthWriting()) await this.#write(paths.files, tree);
      if (this.#directories.hasChanged) await replace(paths.directories, this.#directories.encode(), this.#nowMs);
      if (this.#wasTouched) return;
      this.#wasTouched = true;
      await Promise.all(Object.values(paths).map((file) => this.#touch(file)));
    } catch {
      // No space, no permission, no home.
    }
  }

  #isWorthWriting(): boolean {
    if (!this.#hasChanged) return false;
    return this.#mustWrite || this.#changes.size > MAX_UNWRITTEN || this.#known.records.offsets.length < MANY_RECORDS;
  }

  /** Returns where the record of a file in this state is. */
  #matching(path: ByteString, state: FileState): number | undefined {
    const { bytes, records } = this.#known;
    const at = this.#changes.has(path) ? undefined : records.get(path);
    return at !== undefined && RECORD.matches(bytes, at, state) ? at : undefined;
  }

  #change(path: ByteString, record: Buffer | undefined): void {
    this.#changes.set(path, record);
    this.#hasChanged = true;
  }

  /** Keeps the file from being removed as unused. */
  async #touch(file: string): Promise<void> {
    const now = new Date(this.#nowMs);
    if ((await stat(file)).mtimeMs < this.#nowMs - DAY_MS) await utimes(file, now, now);
  }

  async #write(file: string, tree: ContextDirectory | undefined): Promise<void> {
    this.#hasChanged = false;
    // Nobody asks for files of a directory that hasn't changed.
    const { bytes, records } = this.#known;
    if (tree) for (const at of offsetsIn(tree, records)) RECORD.setDay(bytes, at, this.#today);
    let content = encodeCache(this.#root, this.#records(this.#today - KEPT_DAYS));
    if (content.length > MAX_CACHE_BYTES) content = encodeCache(this.#root, this.#records(this.#today));
    if (content.length > MAX_CACHE_BYTES) return void (await rm(file, { force: true }));
    await replace(file, content, this.#nowMs);
  }

  *#records(sinceDay: number): Generator<Buffer> {
    const { bytes, records } = this.#known;
    for (const at of records.offsets) {
      if (RECORD.day(bytes, at) >= sinceDay && !this.#changes.has(RECORD.path(bytes, at))) yield RECORD.at(bytes, at);
    }
    for (const record of this.#changes.values()) if (record) yield record;
  }
}

/** Yields where the records of the files of a context are. */
function* offsetsIn(root: ContextDirectory, records: CacheContent['records']): Generator<number> {
  for (const name of fileNamesIn(root)) {
    const at = records.get(joinBytes(root.path, name));
    if (at !== undefined) yield at;
  }
  for (const directory of directoriesIn(root)) yield* offsetsIn(directory, records);
}

interface Paths {
  readonly files: string;
  readonly directories: string;
}

function pathsIn(home: string, name: string): Paths {
  return { files: join(home, 'digests', name), directories: join(home, 'directories', name) };
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

async function replace(file: string, content: Buffer, nowMs: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}.new`;
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx' });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  await removeOldCaches(dirname(file), nowMs);
}
