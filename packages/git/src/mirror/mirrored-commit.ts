import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GitFailed } from '../git-failed.ts';
import { type GitEnd, type GitRun, runGit, startGit } from '../run-git.ts';
import { blobsOf } from './blob-stream.ts';
import { depthFirst, type GitEntry, LIST_TREE, parseListing } from './tree-listing.ts';

/** Directory of a mirror for files that are checked out. */
export const CHECKOUTS = 'checkouts';

/** PATH_MAX without the final zero byte. */
const MAX_TARGET_BYTES = 4095;

/** A file of a commit with its content, which must be read before the next one. */
export interface CommitFile {
  readonly entry: GitEntry;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Files as a checkout has them. */
export interface CheckedOut extends AsyncDisposable {
  /** Bytes by path: attributes may have changed them. */
  readonly sizes: ReadonlyMap<string, number>;
  contents(files: readonly GitEntry[]): AsyncIterable<CommitFile>;
}

/** An entry, and its path relative to some directory. */
export interface EntryBelow {
  readonly path: string;
  readonly entry: GitEntry;
}

/** A commit of a mirror. */
export class MirroredCommit {
  readonly commit: string;
  /** All entries of the commit's tree, depth first. */
  readonly entries: readonly GitEntry[];
  /**
   * Identifies the attributes that change files when they are checked out; undefined if the commit has none. Files with the same `id` are the same only with
   * the same attributes.
   */
  readonly attributes: string | undefined;
  readonly #run: GitRun;
  readonly #suspect: () => void;

  private constructor(
    run: GitRun,
    suspect: () => void,
    { commit, entries, attributes }: Pick<MirroredCommit, 'commit' | 'entries' | 'attributes'>,
  ) {
    this.#run = run;
    this.#suspect = suspect;
    this.commit = commit;
    this.entries = entries;
    this.attributes = attributes;
  }

  /**
   * Lists a commit of the repository in `run.cwd`; undefined if not all of it is there.
   * @param suspect called if its files turn out to be missing @throws GitFailed if the list is too long @throws the signal's reason
   */
  static async list(run: GitRun, commit: string, suspect: () => void): Promise<MirroredCommit | undefined> {
    const listed = await runGit(['--git-dir=.', ...LIST_TREE, commit], run);
    if (!listed.ok) return undefined;
    if (listed.isCut)
      throw new GitFailed(
        'too_large',
        `the list of the files of ${commit} has more than ${run.maxOutputBytes} bytes`,
        false,
      );
    const entries = depthFirst(parseListing(listed.output));
    return new MirroredCommit(run, suspect, { commit, entries, attributes: attributesOf(entries) });
  }

  /** Returns the same commit for another run of git, with a signal of its own. */
  with(run: GitRun): MirroredCommit {
    return new MirroredCommit(run, this.#suspect, this);
  }

  /** Returns the sizes of files by their ids, bytes. @throws Error if one is missing or git fails */
  async sizes(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (ids.length === 0) return new Map();
    const end = await runGit(['--git-dir=.', 'cat-file', '--batch-check', '--buffer'], {
      ...this.#run,
      stdin: `${[...new Set(ids)].join('\n')}\n`,
    });
    succeeded(end, 'cat-file');
    const lines = end.ok ? end.output.toString('latin1').trimEnd().split('\n') : [];
    return new Map(
      lines.map((line) => {
        const [, id, size] = /^([0-9a-f]+) blob (\d+)$/.exec(line) ?? [];
        if (id === undefined) throw new Error(`git has no file ${line}`);
        return [id, Number(size)];
      }),
    );
  }

  /** Returns the entries below a directory, with their paths relative to it; undefined if there is no such directory. */
  below(subdir: string): readonly EntryBelow[] | undefined {
    const at = Buffer.from(subdir, 'utf8').toString('latin1');
    if (at === '') return this.entries.map((entry) => ({ path: entry.path, entry }));
    if (!this.entries.some(({ path, type }) => path === at && type === 'directory')) return undefined;
    const prefix = `${at}/`;
    return this.entries.flatMap((entry) =>
      entry.path.startsWith(prefix) ? [{ path: entry.path.slice(prefix.length), entry }] : [],
    );
  }

  /** Reads the targets of links by their ids; or returns the length of one that no file system takes. @throws Error if one is missing */
  async linkTargets(ids: readonly string[]): Promise<ReadonlyMap<string, string> | { readonly oddBytes: number }> {
    const targets = new Map<string, string>();
    if (ids.length === 0) return targets;
    for await (const { id, sizeBytes, content } of this.#blobs([...new Set(ids)])) {
      // Before it is read: it may be larger than the memory.
      if (sizeBytes === 0 || sizeBytes > MAX_TARGET_BYTES) return { oddBytes: sizeBytes };
      const parts: Buffer[] = [];
      for await (const part of content) parts.push(part);
      targets.set(id, Buffer.concat(parts).toString('latin1'));
    }
    return targets;
  }

  /**
   * Reads files straight from git's packs: what a checkout has only if the commit has no `attributes`.
   * @param files entries of `entries` @throws Error if one is missing or git fails
   */
  async *contents(files: readonly GitEntry[]): AsyncGenerator<CommitFile> {
    if (files.length === 0) return;
    // In turn, as a blob that occurs twice is printed twice.
    let at = 0;
    try {
      for await (const { content } of this.#blobs(files.map(({ id }) => id))) {
        const entry = files[at] as GitEntry;
        at += 1;
        yield { entry, content };
      }
    } catch (error) {
      if (!this.#run.signal.aborted) this.#suspect();
      throw error;
    }
  }

  /**
   * Checks files out into a temporary directory, which applies the commit's attributes. No program is run for them: there are only the filters that git
   * has built in (line ends, encodings, `$Id$`). Dispose of it after use.
   * @param files entries of `entries` @throws Error if one is missing or git fails
   */
  async checkOut(files: readonly GitEntry[]): Promise<CheckedOut> {
    await using left = new AsyncDisposableStack();
    const stage = join(this.#run.cwd, CHECKOUTS, randomUUID());
    left.defer(async () => {
      await rm(stage, { recursive: true, force: true, maxRetries: 3 });
      await rm(`${stage}.index`, { force: true });
    });
    await mkdir(stage);
    const run = { ...this.#run, env: { ...this.#run.env, GIT_INDEX_FILE: `${stage}.index` } };
    const gitDir = `--git-dir=${this.#run.cwd}`;
    // Attributes are read from the index: also those of directories above the files.
    succeeded(await runGit([gitDir, 'read-tree', this.commit], run), 'read-tree');
    const written = await runGit([gitDir, `--work-tree=${stage}`, 'checkout-index', '--force', '-z', '--stdin'], {
      ...run,
      cwd: stage,
      stdin: Buffer.from(files.map(({ path }) => `${path}\0`).join(''), 'latin1'),
    });
    succeeded(written, 'checkout-index');
    const sizes = new Map<string, number>();
    for (const { path } of files) sizes.set(path, (await stat(pathIn(stage, path))).size);
    const kept = left.move();
    return {
      sizes,
      contents: (wanted) => staged(stage, wanted),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  #blobs(ids: readonly string[]): ReturnType<typeof blobsOf> {
    return blobsOf(startGit(['--git-dir=.', 'cat-file', '--batch', '--buffer'], this.#run), ids);
  }
}

async function* staged(stage: string, files: readonly GitEntry[]): AsyncGenerator<CommitFile> {
  for (const entry of files) yield { entry, content: createReadStream(pathIn(stage, entry.path)) };
}

function pathIn(dir: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(path, 'latin1')]);
}

function succeeded(end: GitEnd, what: string): void {
  if (!end.ok) throw new Error(`git ${what}: ${end.why === 'exit' ? end.stderr.trim() : end.why}`);
}

function attributesOf(entries: readonly GitEntry[]): string | undefined {
  const files = entries.filter(({ path }) => path === '.gitattributes' || path.endsWith('/.gitattributes'));
  if (files.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const { path, id } of files) hash.update(`${id} ${path}\0`, 'latin1');
  return hash.digest('hex').slice(0, 16);
}
