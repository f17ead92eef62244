import { createHash, randomInt } from 'node:crypto';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assignTimes,
  type ByteString,
  identityOf,
  isSameEntry,
  isSameTimed,
  type Listing,
  newestTime,
  PathLookup,
  settledEntries,
  type TimedEntry,
} from '@kiln/trees';
import { EntriesFile } from './entries-file.ts';
import type { EntryMemory } from './entry-memory.ts';
import { readIfThere, replaceFile } from './replace-file.ts';

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
/** The number of the first content: not one that a ledger had which was lost. */
const MAX_FIRST_ISSUE = 2 ** 47;
const MARK_CHARS = 11;
/** So many marks are looked for in the text itself. */
const FEW_MARKS = 32;
const MS = 1_000_000n;

/**
 * What builds that share cache mounts were last given by this host, with its times. All trees of these builds share it. Its files are durable, because
 * cache mounts are: an older ledger could give content a time before that of outputs of other content.
 */
export class TimeLedger {
  readonly #dir: string;
  readonly #file: EntriesFile<Head>;
  readonly #past: string;
  /** Builds that run now. */
  readonly #running = new Set<GivenTree>();
  #issue: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: string, memory: EntryMemory) {
    this.#dir = dir;
    this.#file = new EntriesFile(join(dir, 'given'), memory, true);
    this.#past = join(dir, 'past');
  }

  /** Number of its content, which changes with it; 0 if there is none. */
  async issue(): Promise<number> {
    this.#issue ??= (await this.#file.load())?.head.issue ?? 0;
    return this.#issue;
  }

  /** Lets a build run with what it was given before; returns undefined if the ledger has had other content since. */
  resume(issue: number | undefined, given: GivenTree): Promise<Disposable | undefined> {
    return this.#alone(async () => (issue === (await this.issue()) ? this.#run(given) : undefined));
  }

  /**
   * Gives the entries of a tree their times, and remembers them. @param given its entries are set @param nowMs ms since the epoch
   * @param sent times of directories and links, for `assignTimes`
   */
  give(given: GivenTree, listing: Listing, nowMs: number, sent?: ReadonlyMap<ByteString, bigint>): Promise<Given> {
    return this.#alone(async () => {
      const before = await this.#load();
      // Others may have times that a client sent, which may be centuries ahead.
      const newest = newestTime(before.filter(({ type }) => type === 'file'));
      // Not before the end of this millisecond, and forward even if the clock went back.
      const clock = BigInt(nowMs + 1) * MS;
      const entries = assignTimes(listing, before, clock > newest ? clock : newest + 1n, sent);
      given.entries = async () => entries;
      const others = [...this.#running].filter(({ id }) => id !== given.id);
      const settled = settledEntries(entries, await Promise.all(others.map((other) => other.entries())));
      const returned = await this.#returned(before, entries, settled);
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
    return (await this.#file.load())?.entries ?? [];
  }

  async #save(entries: readonly TimedEntry[]): Promise<void> {
    const issue = ((await this.issue()) || randomInt(MAX_FIRST_ISSUE)) + 1;
    this.#issue = undefined;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await this.#file.save({ head: { issue }, entries });
    this.#issue = issue;
  }

  /** Returns the files with content of the past, and adds what is no longer given to the past. */
  async #returned(
    before: readonly TimedEntry[],
    entries: readonly TimedEntry[],
    settled: readonly TimedEntry[],
  ): Promise<ByteString[]> {
    const fresh = filesNotIn(before, entries);
    // What has just been given is of the past already if a build beside this one makes the next one give it again.
    const gone = [before, entries].flatMap((each) => (each === settled ? [] : filesNotIn(settled, each)));
    if (fresh.length === 0 && gone.length === 0) return [];
    const text = (await readIfThere(this.#past)) ?? '';
    const isPast = finder(text, fresh.length + gone.length);
    const returned = fresh.filter((entry) => isPast(markOf(entry))).map(({ path }) => path);
    const added = [...new Set(gone.map(markOf))].filter((mark) => !isPast(mark));
    if (added.length === 0) return returned;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (text.length / (MARK_CHARS + 1) + added.length > 2 * MAX_PAST)
      await replaceFile(this.#past, `${[...text.split('\n'), ...added].filter(Boolean).slice(-MAX_PAST).join('\n')}\n`);
    else await appendFile(this.#past, `${added.join('\n')}\n`, { mode: 0o600 });
    return returned;
  }
}

function markOf(entry: TimedEntry): string {
  return createHash('sha256')
    .update(`${entry.path}\0${identityOf(entry)}`, 'latin1')
    .digest('base64url')
    .slice(0, MARK_CHARS);
}

/** Returns what tells whether a mark is a line of `text`, to be asked `questions` times: for a few of them, a set of all lines would take far longer to make. */
function finder(text: string, questions: number): (mark: string) => boolean {
  // All marks have one length, so that the end of a line can't be that of a longer one.
  if (questions <= FEW_MARKS) return (mark) => text.includes(`${mark}\n`);
  const lines = new Set(text.split('\n'));
  return (mark) => lines.has(mark);
}

/** Returns the files of `entries` that `others` doesn't have with the same content. */
function filesNotIn(others: readonly TimedEntry[], entries: readonly TimedEntry[]): readonly TimedEntry[] {
  const lookup = new PathLookup(others);
  return entries.filter((entry) => {
    const other = lookup.get(entry.path);
    return entry.type === 'file' && !(other && isSameEntry(other, entry));
  });
}

function isSame(a: readonly TimedEntry[], b: readonly TimedEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => isSameTimed(entry, b[i] as TimedEntry));
}
