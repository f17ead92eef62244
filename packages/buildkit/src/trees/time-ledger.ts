import { createHash } from 'node:crypto';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assignTimes,
  type ByteString,
  byPath,
  decodeHead,
  decodeRecord,
  encodeRecord,
  identityOf,
  isSameEntry,
  type Listing,
  newestTime,
  settledEntries,
  type TimedEntry,
} from '@kiln/trees';
import { readBeginning, readIfThere, replaceFile } from './replace-file.ts';

/** What a running build was given. */
export interface GivenTree {
  /** Identifies the tree. */
  readonly id: string;
  entries: () => Promise<readonly TimedEntry[]>;
}

/** Entries with their times for one build. */
export interface Given {
  readonly entries: readonly TimedEntry[];
  /** Number of the ledger's content, if the ledger has exactly these entries: then a later build of the same tree needs nothing else. */
  readonly issue: number | undefined;
  /** Files that have content again which they had in an earlier build. */
  readonly returned: readonly ByteString[];
  /** To be disposed of when the build has ended. */
  readonly running: Disposable;
}

interface Head {
  readonly issue: number;
}

/** How many earlier contents are remembered, at least. */
const MAX_PAST = 200_000;
const MS = 1_000_000n;

/**
 * What builds that share cache mounts were last given by this host, with its times. All trees of these builds share it. Its files are durable, because
 * cache mounts are: an older ledger could give content a time before that of outputs of other content.
 */
export class TimeLedger {
  readonly #dir: string;
  readonly #file: string;
  readonly #past: string;
  /** Builds that run now. */
  readonly #running = new Set<GivenTree>();
  #issue: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
    this.#file = join(dir, 'given');
    this.#past = join(dir, 'past');
  }

  /** Number of its content, which changes with it; 0 if there is none. */
  async issue(): Promise<number> {
    this.#issue ??= decodeHead<Head>((await readBeginning(this.#file)) ?? '')?.issue ?? 0;
    return this.#issue;
  }

  /** Lets a build run with what it was given before; returns undefined if the ledger has had other content since. */
  resume(issue: number | undefined, given: GivenTree): Promise<Disposable | undefined> {
    return this.#alone(async () => (issue === (await this.issue()) ? this.#run(given) : undefined));
  }

  /** Gives the entries of a tree their times, and remembers them. @param given its entries are set @param nowMs ms since the epoch */
  give(given: GivenTree, listing: Listing, nowMs: number): Promise<Given> {
    return this.#alone(async () => {
      const before = await this.#load();
      const newest = newestTime(before);
      // Not before the end of this millisecond, and forward even if the clock went back.
      const clock = BigInt(nowMs + 1) * MS;
      const old = byPath(before);
      const entries = assignTimes(listing, old, clock > newest ? clock : newest + 1n);
      given.entries = async () => entries;
      const others = [...this.#running].filter(({ id }) => id !== given.id);
      const settled = settledEntries(entries, await Promise.all(others.map((other) => other.entries())));
      const returned = await this.#returned(old, entries, settled);
      if (!isSame(before, settled)) await this.#save(settled);
      const issue = settled.length === entries.length ? await this.issue() : undefined;
      return { entries, issue, returned, running: this.#run(given) };
    });
  }

  /** Forgets what was given, because a build gets times that aren't the ledger's. */
  clear(given: GivenTree): Promise<Pick<Given, 'issue' | 'running'>> {
    return this.#alone(async () => {
      if ((await this.#load()).length > 0) await this.#save([]);
      return { issue: await this.issue(), running: this.#run(given) };
    });
  }

  #run(given: GivenTree): Disposable {
    this.#running.add(given);
    return { [Symbol.dispose]: () => void this.#running.delete(given) };
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return await done;
  }

  async #load(): Promise<readonly TimedEntry[]> {
    return decodeRecord<Head>((await readIfThere(this.#file)) ?? '')?.entries ?? [];
  }

  async #save(entries: readonly TimedEntry[]): Promise<void> {
    const issue = (await this.issue()) + 1;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await replaceFile(this.#file, encodeRecord<Head>({ head: { issue }, entries }), true);
    this.#issue = issue;
  }

  /** Returns the files with content of the past, and adds what is no longer given to the past. */
  async #returned(
    old: ReadonlyMap<ByteString, TimedEntry>,
    entries: readonly TimedEntry[],
    settled: readonly TimedEntry[],
  ): Promise<ByteString[]> {
    const now = byPath(settled);
    const differs = (entry: TimedEntry, other: TimedEntry | undefined) =>
      entry.type === 'file' && !(other && isSameEntry(other, entry));
    const fresh = entries.filter((entry) => differs(entry, old.get(entry.path)));
    // What has just been given is of the past already if a build beside this one makes the next one give it anew.
    const given = settled === entries ? [...old.values()] : [...old.values(), ...entries];
    const gone = given.filter((entry) => differs(entry, now.get(entry.path)));
    if (fresh.length === 0 && gone.length === 0) return [];
    const lines = ((await readIfThere(this.#past)) ?? '').split('\n');
    const past = new Set(lines);
    const returned = fresh.filter((entry) => past.has(markOf(entry))).map(({ path }) => path);
    const added = [...new Set(gone.map(markOf))].filter((mark) => !past.has(mark));
    if (added.length === 0) return returned;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (lines.length + added.length > 2 * MAX_PAST)
      await replaceFile(this.#past, `${[...lines, ...added].filter(Boolean).slice(-MAX_PAST).join('\n')}\n`);
    else await appendFile(this.#past, `${added.join('\n')}\n`, { mode: 0o600 });
    return returned;
  }
}

function markOf(entry: TimedEntry): string {
  return createHash('sha256')
    .update(`${entry.path}\0${identityOf(entry)}`, 'latin1')
    .digest('base64url')
    .slice(0, 11);
}

function isSame(a: readonly TimedEntry[], b: readonly TimedEntry[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((entry, i) => {
    const other = b[i] as TimedEntry;
    return entry.path === other.path && entry.mtimeNs === other.mtimeNs && isSameEntry(entry, other);
  });
}
