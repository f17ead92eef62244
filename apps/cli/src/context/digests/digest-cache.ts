import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ByteString } from '@kiln/trees';
import type { FileState } from '../file-state.ts';
import { type CacheContent, decodeCache, encodeCache, MAX_CACHE_BYTES, RECORD } from './cache-format.ts';
import { removeOldCaches } from './old-caches.ts';

const DAY_MS = 24 * 3600_000;
/** Digests of files that no build has asked for are forgotten after so many days. */
const KEPT_DAYS = 30;

/**
 * A file whose time is this close to that of its reading could change again without a change of its state, in ms: clocks of file systems tick every
 * 1 to 10 ms, those of some every 2 s. Git has the same rule for its index ("racy git").
 */
const UNSETTLED_MS = 2_000;

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
 * The digests of a context's files, remembered in a file so that an unchanged context needn't be read. Nothing depends on it: one that is broken, of
 * another version, or can't be read or written is as good as none. Builds of one context at the same time each replace it whole.
 */
export class DigestCache {
  readonly #file: string | undefined;
  readonly #root: string;
  readonly #today: number;
  readonly #nowMs: number;
  readonly #known: CacheContent;
  /** Records since the file was read; undefined for what is known no longer. */
  readonly #changes = new Map<ByteString, Buffer | undefined>();

  private constructor(options: DigestCacheOptions, file: string | undefined, known: CacheContent) {
    this.#file = file;
    this.#root = options.root;
    this.#nowMs = options.nowMs;
    this.#today = Math.floor(options.nowMs / DAY_MS);
    this.#known = known;
  }

  static async open(options: DigestCacheOptions): Promise<DigestCache> {
    const { home, root } = options;
    const name = createHash('sha256').update(root).digest('hex').slice(0, 32);
    const file = home === undefined ? undefined : join(home, 'digests', name);
    const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
    return new DigestCache(options, file, decodeCache(bytes, root));
  }

  /** Returns the SHA-256, in hexadecimal, of a file in this state. */
  find(path: ByteString, state: FileState): string | undefined {
    const at = this.#known.offsets.get(path);
    if (at === undefined || this.#changes.has(path)) return undefined;
    const { bytes } = this.#known;
    if (!RECORD.matches(bytes, at, state)) return undefined;
    RECORD.setDay(bytes, at, this.#today);
    return RECORD.sha256(bytes, at);
  }

  /** Remembers a digest, if the file that was read at `readAtMs` is settled. */
  put(path: ByteString, state: FileState, sha256: string, readAtMs: number): void {
    if (isSettled(state, readAtMs)) this.#changes.set(path, RECORD.encode(path, state, sha256, this.#today));
    else this.forget(path);
  }

  forget(path: ByteString): void {
    if (this.#known.offsets.has(path) || this.#changes.has(path)) this.#changes.set(path, undefined);
  }

  /** Writes what has changed. Never fails: a cache that isn't there costs time only. */
  async save(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (this.#changes.size === 0) await this.#touch(file);
      else await this.#write(file);
    } catch {
      // No space, no permission, no home.
    }
  }

  /** Keeps the file from being removed as unused. */
  async #touch(file: string): Promise<void> {
    if (this.#known.offsets.size === 0) return;
    const now = new Date(this.#nowMs);
    if ((await stat(file)).mtimeMs < this.#nowMs - DAY_MS) await utimes(file, now, now);
  }

  async #write(file: string): Promise<void> {
    let content = encodeCache(this.#root, this.#records(this.#today - KEPT_DAYS));
    if (content.length > MAX_CACHE_BYTES) content = encodeCache(this.#root, this.#records(this.#today));
    if (content.length > MAX_CACHE_BYTES) return void (await rm(file, { force: true }));
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const draft = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}.new`;
    try {
      await writeFile(draft, content, { mode: 0o600, flag: 'wx' });
      await rename(draft, file);
    } finally {
      await rm(draft, { force: true });
    }
    await removeOldCaches(dirname(file), this.#nowMs);
  }

  *#records(sinceDay: number): Generator<Buffer> {
    const { bytes, offsets } = this.#known;
    for (const [path, at] of offsets) {
      if (!this.#changes.has(path) && RECORD.day(bytes, at) >= sinceDay) yield RECORD.at(bytes, at);
    }
    for (const record of this.#changes.values()) if (record) yield record;
  }
}
