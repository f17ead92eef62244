import { randomBytes } from 'node:crypto';
import { rm, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import {
  type ByteString,
  checkReadable,
  encodeHead,
  isUnchanged,
  type Listing,
  listedBuildFiles,
  newestTime,
  notFilesOf,
  type TimedEntry,
  type TreeChanges,
  type TreeRecord,
  type TreeSource,
  treeChanges,
} from '@kiln/trees';
import type { Logger } from '../engine/logger.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import { type BesideFile, clearing, inputOf, TreeNotChanged, type TreeOrders, TreeProcess } from './apply-changes.ts';
import { type Copies, copiesOf, isSameCopy, readCopies } from './dockerfile-copies.ts';
import { EntriesFile } from './entries-file.ts';
import type { EntryMemory } from './entry-memory.ts';
import { replaceFile } from './replace-file.ts';
import type { Given, GivenTree, TimeLedger } from './time-ledger.ts';
import { isTreeUser, releaseTreeUser } from './tree-users.ts';

/** The time of a tree's last use is stored only this often: an unchanged tree is otherwise not written to. */
const NOTE_USE_EVERY_MS = 6 * 3_600_000;
const BLOCK_BYTES = 4096;

/** Modification times as a client sent them. */
export interface SubmittedTimes {
  /** Identifies them: equal ids mean equal times. */
  readonly id: string;
  /** @throws TreePartMissing */
  read(signal: AbortSignal): Promise<TimesOfPaths>;
}

/** Returns the times of paths: of all entries that they were made of, in the order of a `Listing`. @throws TreeFault */
export type TimesOfPaths = (paths: readonly ByteString[]) => ReadonlyMap<ByteString, bigint>;

export interface TreeRequest {
  readonly source: TreeSource;
  /** Default: each file keeps its time until its content changes. */
  readonly times: SubmittedTimes | undefined;
  /** Those of directories and links, if `times` is undefined: for those that the ledger doesn't have. They aren't part of what the build needs. */
  readonly directoryTimes?: SubmittedTimes | undefined;
  /** Path of the Dockerfile in the tree; undefined for a named context, which has none of the build's. */
  readonly dockerfile: string | undefined;
  /** Whether ignore files apply. Default: true. */
  readonly ignores?: boolean | undefined;
}

/** A tree as a build needs it. */
export interface BroughtTree {
  /** Absolute path of the context. */
  readonly path: string;
  /** Absolute path of a copy outside of the context, next to the ignore file that applies. */
  readonly dockerfile: string;
  /** Another copy, next to one of the ignore file, which only this process can change. */
  readonly checkedDockerfile: string;
  /** Files that have content again which they had in an earlier build. */
  readonly returned: readonly ByteString[];
}

/** What is known of a working tree on the disk. */
export interface TreeHead {
  /** The machine's boot: after another one the disk may lack what was written last. */
  readonly boot: string;
  /** Identifies the tree and, if they were submitted, its times. */
  readonly id: string;
  readonly submitted: boolean;
  /** The requested Dockerfile, and what was copied for it. */
  readonly asked: string;
  readonly copies: Copies;
  /** For buildx's `.buildNodeID`: with it and the path, BuildKit finds its own copy of the tree. */
  readonly nodeId: string;
  /** The latest time since that copy began, ns. */
  readonly newestNs: string;
  /** Ledger, and number of its content, that has exactly this tree's times. */
  readonly ledger: string;
  readonly issue?: number | undefined;
  readonly bytes: number;
}

/** What a tree has to become. */
interface Plan {
  readonly entries: readonly TimedEntry[];
  readonly source: TreeSource;
  readonly signal: AbortSignal;
  /** A process that can change the tree, if one was started early. */
  readonly starting: Promise<TreeProcess> | undefined;
  /** Reads the Dockerfile and its ignore file. */
  beside(): Promise<readonly BesideFile[]>;
  readonly head: Omit<TreeHead, 'nodeId' | 'newestNs'>;
}

/** What belongs to a tree, is used only by its builds, and is removed with it. */
export interface TreeParts {
  readonly bytes: number;
  remove(): Promise<void>;
}

const NO_COPIES: Copies = { name: '', dockerfile: '' };

export interface WorkingTreeDeps {
  readonly tool: Pick<ToolContainer, 'start'>;
  /** Path of `kiln-tree`. */
  readonly script: string;
  readonly boot: string;
  readonly memory: EntryMemory;
  /** Called before the tree grows to this many bytes. */
  makeRoom(tree: WorkingTree, bytes: number): Promise<void>;
  now(): number;
  readonly log: Logger;
}

/**
 * A tree of a repo on this host's disk: `<dir>/own` has it, and belongs to a user of its own; files beside it belong to this process. While the tree is being
 * changed, `<dir>/record` isn't there: a tree without one is never built from. `<dir>/entries` counts only together with it. Only one
 * build uses it at a time.
 */
export class WorkingTree {
  readonly dir: string;
  readonly uid: number;
  parts: TreeParts | undefined;
  readonly #deps: WorkingTreeDeps;
  readonly #own: string;
  readonly #recordFile: string;
  readonly #entriesFile: EntriesFile<object>;
  #head: TreeHead | undefined;
  /** ms since the epoch. */
  #usedAt: number;
  #notedAt: number;

  /** @param head of the record on the disk, if there is one */
  constructor(deps: WorkingTreeDeps, dir: string, uid: number, head: TreeHead | undefined, usedAt: number) {
    this.#deps = deps;
    this.dir = dir;
    this.uid = uid;
    this.#own = join(dir, 'own');
    this.#recordFile = recordFile(dir);
    this.#entriesFile = new EntriesFile(join(dir, 'entries'), deps.memory, false);
    this.#head = head;
    this.#usedAt = usedAt;
    this.#notedAt = usedAt;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  /** How much of the disk it takes, with its parts, bytes, about. */
  get bytes(): number {
    return (this.#head?.bytes ?? 0) + (this.parts?.bytes ?? 0);
  }

  get nodeId(): string {
    if (!this.#head) throw new Error('a working tree that is not complete has no node id');
    return this.#head.nodeId;
  }

  /** Whether it already is what a build needs, except perhaps for times. */
  has(id: string): boolean {
    return this.#head?.id === id;
  }

  /**
   * Makes the tree what a build needs. It counts as running in the ledger until `running` is disposed of.
   * @throws TreeDiskFull @throws NoBuildFile @throws TreeFault @throws what the source throws @throws the signal's reason
   */
  async bring(
    request: TreeRequest,
    ledger: { readonly key: string; readonly times: TimeLedger },
    running: DisposableStack,
    signal: AbortSignal,
  ): Promise<BroughtTree> {
    const { source, times, dockerfile } = request;
    const asked = dockerfile ?? '';
    const id = treeId(request);
    const head = this.#head;
    if (head?.boot === this.#deps.boot && head.id === id && head.asked === asked && head.ledger === ledger.key) {
      const same = await ledger.times.resume(head.issue, { id, entries: () => this.#entries() });
      if (same) {
        running.use(same);
        await this.#noteUse();
        return this.#brought(head.copies.name, []);
      }
    }
    const record = head?.boot === this.#deps.boot ? await this.#load() : undefined;
    // Starting it takes as long as finding out what it has to do.
    const starting = record && this.#start();
    const started = starting?.catch(() => undefined);
    await using spare = new AsyncDisposableStack();
    spare.defer(async () => await (await started)?.[Symbol.asyncDispose]());
    const timesRead = (times ?? request.directoryTimes)?.read(signal);
    // Awaited below, when there is a listing.
    timesRead?.catch(() => undefined);
    const listing = await source.list(record?.entries ?? [], signal);
    checkReadable(listing);
    const found = dockerfile === undefined ? undefined : await listedBuildFiles(listing, dockerfile);
    const files = found && (request.ignores === false ? { ...found, ignoreFile: undefined } : found);
    const copies = files ? copiesOf(files, asked) : NO_COPIES;
    const given: GivenTree = { id, entries: () => Promise.resolve([]) };
    const { entries, issue, returned } = await this.#timed(
      given,
      listing,
      request,
      ledger.times,
      running,
      await timesRead,
    );
    await this.#become(record, {
      entries,
      source,
      signal,
      starting,
      beside: async () => (files ? await readCopies(source, files, copies, signal) : []),
      head: {
        boot: this.#deps.boot,
        id,
        submitted: times !== undefined,
        asked,
        copies,
        ledger: ledger.key,
        issue,
        bytes: bytesOf(entries),
      },
    });
    // From here on the disk has it.
    given.entries = () => this.#entries();
    return this.#brought(copies.name, returned);
  }

  /** Removes the tree from the disk. */
  async remove(): Promise<void> {
    await this.parts?.remove();
    this.#head = undefined;
    this.#entriesFile.forget();
    await rm(this.#recordFile, { force: true });
    const owner = await stat(this.#own).catch(() => undefined);
    if (owner?.uid === this.uid && isTreeUser(this.uid)) {
      await (await this.#start()).carryOut(clearing());
    }
    await rm(this.dir, { recursive: true, force: true });
    releaseTreeUser(this.dir, this.uid);
  }

  /** Gives the entries of the context their times. */
  async #timed(
    given: GivenTree,
    listing: Listing,
    { times, dockerfile }: TreeRequest,
    ledger: TimeLedger,
    running: DisposableStack,
    read: TimesOfPaths | undefined,
  ): Promise<Pick<Given, 'entries' | 'issue' | 'returned'>> {
    const context =
      dockerfile === OUTSIDE_DOCKERFILE ? listing.filter(({ path }) => path !== OUTSIDE_DOCKERFILE) : listing;
    if (!times || !read) {
      const sent = read?.(notFilesOf(listing).map(({ path }) => path));
      const result = await ledger.give(given, context, this.#deps.now(), sent);
      running.use(result.running);
      return result;
    }
    const sent = read(listing.map(({ path }) => path));
    const entries = context.map((entry) => ({ ...entry, mtimeNs: sent.get(entry.path) ?? 0n }));
    given.entries = async () => entries;
    const cleared = await ledger.clear(given);
    running.use(cleared.running);
    return { entries, issue: cleared.issue, returned: [] };
  }

  async #become(record: TreeRecord<TreeHead> | undefined, plan: Plan): Promise<void> {
    const { entries, head } = plan;
    const changes = treeChanges(record?.entries ?? [], entries);
    const before = BigInt(record?.head.newestNs ?? 0);
    // BuildKit compares size and time, never content. Times of a ledger tell contents apart; submitted ones needn't.
    const mayHide =
      (head.submitted || record?.head.submitted === true) && changes.renewed.some((file) => file.mtimeNs <= before);
    let node = mayHide ? undefined : record?.head.nodeId;
    await this.#deps.makeRoom(this, head.bytes + (this.parts?.bytes ?? 0));
    try {
      if (!record || !isSameCopy(record.head.copies, head.copies) || !isUnchanged(changes)) {
        const process = await plan.starting;
        await unlink(this.#recordFile).catch(ignoreMissing);
        this.#head = undefined;
        if (!(await this.#apply(process, record, changes, plan))) node = undefined;
        await this.#entriesFile.save({ head: {}, entries });
      }
      const nodeId = node ?? randomBytes(12).toString('hex');
      const whole = { ...head, nodeId, newestNs: String(newestTime(entries, before)) };
      await replaceFile(this.#recordFile, encodeHead(whole));
      this.#head = whole;
      this.#usedAt = this.#deps.now();
      this.#notedAt = this.#usedAt;
    } catch (error) {
      // The caller drops it.
      this.#head = undefined;
      throw error;
    }
  }

  /** Changes the disk; returns false if the whole tree had to be rewritten, because another process had changed it. */
  async #apply(
    process: TreeProcess | undefined,
    record: TreeRecord<TreeHead> | undefined,
    changes: TreeChanges,
    { entries, source, signal, beside, head }: Plan,
  ): Promise<boolean> {
    const apply = async (by: TreeProcess, of: Pick<TreeOrders, 'clears' | 'changes' | 'beside'>) => {
      const orders: TreeOrders = {
        ...of,
        besideNs: BigInt(this.#deps.now()) * 1_000_000n,
        contents: (files) => source.contents(files, signal),
      };
      await by.carryOut(inputOf(orders), signal);
      const [dockerfile, ignoreFile] = of.beside ?? [];
      if (ignoreFile) await replaceFile(join(this.dir, 'dockerfile.dockerignore'), ignoreFile.content);
      if (dockerfile) await replaceFile(join(this.dir, 'dockerfile'), dockerfile.content);
    };
    if (record && process) {
      try {
        const copies = isSameCopy(record.head.copies, head.copies) ? undefined : await beside();
        await apply(process, { clears: false, changes, beside: copies });
        return true;
      } catch (error) {
        // A full disk, or a source that fails, would be the same again.
        if (!(error instanceof TreeNotChanged)) throw error;
        this.#deps.log.warn({ err: error, dir: this.dir }, 'working tree changed by another process; rewriting it');
      }
    }
    const whole = { clears: true, changes: treeChanges([], entries), beside: await beside() };
    await apply(await this.#start(), whole);
    return false;
  }

  /** Whether the tree on the disk is known; otherwise it has to be dropped. */
  get isWhole(): boolean {
    return this.#head !== undefined;
  }

  #brought(name: string, returned: readonly ByteString[]): BroughtTree {
    return {
      path: join(this.#own, 'context'),
      dockerfile: join(this.#own, 'dockerfile', name),
      checkedDockerfile: join(this.dir, 'dockerfile'),
      returned,
    };
  }

  #start(): Promise<TreeProcess> {
    const { tool, script } = this.#deps;
    return TreeProcess.start(tool, script, { dir: this.#own, uid: this.uid });
  }

  async #noteUse(): Promise<void> {
    this.#usedAt = this.#deps.now();
    if (this.#usedAt - this.#notedAt < NOTE_USE_EVERY_MS) return;
    this.#notedAt = this.#usedAt;
    await utimes(this.#recordFile, this.#usedAt / 1000, this.#usedAt / 1000);
  }

  async #entries(): Promise<readonly TimedEntry[]> {
    return (await this.#load())?.entries ?? [];
  }

  async #load(): Promise<TreeRecord<TreeHead> | undefined> {
    const found = this.#head && (await this.#entriesFile.load());
    return found && this.#head && { head: this.#head, entries: found.entries };
  }
}

export function recordFile(dir: string): string {
  return join(dir, 'record');
}

/** Identifies what a build needs: a tree and, if they were submitted, its times. */
export function treeId({ source, times }: Pick<TreeRequest, 'source' | 'times'>): string {
  return times ? `${source.id} ${times.id}` : source.id;
}

function bytesOf(entries: Listing): number {
  return entries.reduce(
    (sum, entry) =>
      sum + (entry.type === 'file' ? Math.ceil(entry.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES : BLOCK_BYTES),
    0,
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
