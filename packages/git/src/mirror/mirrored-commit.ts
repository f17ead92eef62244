import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type GitEnd, type GitRun, runGit, startGit } from '../run-git.ts';
import { blobsOf } from './blob-stream.ts';
import { depthFirst, type GitEntry, LIST_TREE, parseListing } from './tree-listing.ts';

/** A file of a commit with its content, which must be read before the next one. */
export interface CheckedOutFile {
  readonly entry: GitEntry;
  /** As it is checked out: attributes may have changed it. */
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
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

  private constructor(run: GitRun, commit: string, entries: readonly GitEntry[]) {
    this.#run = run;
    this.commit = commit;
    this.entries = entries;
    this.attributes = attributesOf(entries);
  }

  /** Lists a commit of the repository in `run.cwd`; undefined if not all of it is there. @throws the signal's reason */
  static async list(run: GitRun, commit: string): Promise<MirroredCommit | undefined> {
    const listed = await runGit(['--git-dir=.', ...LIST_TREE, commit], run);
    if (!listed.ok || listed.isCut) return undefined;
    return new MirroredCommit(run, commit, depthFirst(parseListing(listed.output)));
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

  /** Reads the targets of links by their ids. @throws Error if one is missing */
  async linkTargets(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const targets = new Map<string, string>();
    for await (const { id, content } of this.#blobs([...new Set(ids)])) {
      const parts: Buffer[] = [];
      for await (const part of content) parts.push(part);
      targets.set(id, Buffer.concat(parts).toString('latin1'));
    }
    return targets;
  }

  /**
   * Reads files as a checkout would have them. Without attributes they come straight from git's packs; with them git writes them to a temporary directory
   * first. No program is run for them: filters are only those that git has built in (line ends, encodings, `$Id$`).
   * @param files entries of `entries` @throws Error if one is missing or git fails
   */
  async *contents(files: readonly GitEntry[]): AsyncGenerator<CheckedOutFile> {
    if (files.length === 0) return;
    if (this.attributes !== undefined) {
      yield* this.#checkedOut(files);
      return;
    }
    // In turn, as a blob that occurs twice is printed twice.
    const ids = files.map(({ id }) => id);
    let at = 0;
    for await (const { sizeBytes, content } of this.#blobs(ids)) {
      const entry = files[at] as GitEntry;
      at += 1;
      yield { entry, sizeBytes, content };
    }
  }

  async *#checkedOut(files: readonly GitEntry[]): AsyncGenerator<CheckedOutFile> {
    const stage = join(this.#run.cwd, `tmp-${randomUUID()}`);
    const run = { ...this.#run, env: { ...this.#run.env, GIT_INDEX_FILE: `${stage}.index` } };
    const gitDir = `--git-dir=${this.#run.cwd}`;
    try {
      await mkdir(stage);
      // Attributes are read from the index, those of the directories above `subdir` too.
      succeeded(await runGit([gitDir, 'read-tree', this.commit], run), 'read-tree');
      const names = files.map(({ path }) => `${path}\0`).join('');
      const written = await runGit([gitDir, `--work-tree=${stage}`, 'checkout-index', '--force', '-z', '--stdin'], {
        ...run,
        cwd: stage,
        stdin: Buffer.from(names, 'latin1'),
      });
      succeeded(written, 'checkout-index');
      for (const entry of files) {
        const path = Buffer.concat([Buffer.from(`${stage}/`), Buffer.from(entry.path, 'latin1')]);
        const { size } = await stat(path);
        yield { entry, sizeBytes: size, content: createReadStream(path) };
      }
    } finally {
      await rm(stage, { recursive: true, force: true, maxRetries: 3 });
      await rm(`${stage}.index`, { force: true });
    }
  }

  #blobs(ids: readonly string[]): ReturnType<typeof blobsOf> {
    return blobsOf(startGit(['--git-dir=.', 'cat-file', '--batch', '--buffer'], this.#run), ids);
  }
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
