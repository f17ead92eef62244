import { isCommit } from '@kiln/domain';
import { InvalidConfig } from '@kiln/forges';
import { type CommitFiles, type GitLimits, type GitSource, openCommit } from '@kiln/git';

/** Configurations are far smaller. Larger files are cut off and refused. */
const MAX_CONFIG_BYTES = 256 * 1024;
const MAX_KNOWN = 500;
/** The longest configuration that is cached: parsing refuses longer ones anyway. */
const MAX_KNOWN_CHARS = 32 * 1024;

/** A cache of configurations by commit, which never change: forges send several events about one commit. */
export class KnownConfigs {
  readonly #texts = new Map<string, string | null>();

  get(key: string): string | null | undefined {
    return this.#texts.get(key);
  }

  set(key: string, text: string | null): void {
    if ((text?.length ?? 0) > MAX_KNOWN_CHARS) return;
    this.#texts.delete(key);
    this.#texts.set(key, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > MAX_KNOWN && oldest !== undefined) this.#texts.delete(oldest);
  }
}

export interface CommitReaderDeps {
  /** The connection whose credentials are used. Connections share no cache entries. */
  readonly connection: string;
  readonly known: KnownConfigs;
  readonly git: GitLimits;
  readonly signal: AbortSignal;
}

/** One commit of a repository, fetched only if something isn't cached. */
export class CommitReader implements AsyncDisposable {
  readonly #source: GitSource;
  readonly #parts: CommitReaderDeps;
  #opened: Promise<CommitFiles> | undefined;

  constructor(source: GitSource, parts: CommitReaderDeps) {
    this.#source = source;
    this.#parts = parts;
  }

  /** The full commit id. @throws GitFailed */
  async commit(): Promise<string> {
    return isCommit(this.#source.ref) ? this.#source.ref : (await this.files()).commit;
  }

  /** The text of the configuration; null if the file doesn't exist. @throws InvalidConfig @throws GitFailed */
  async config(path: string): Promise<string | null> {
    const { url, ref } = this.#source;
    const { known, connection } = this.#parts;
    const key = isCommit(ref) ? JSON.stringify([connection, url, ref, path]) : undefined;
    const text = key === undefined ? undefined : known.get(key);
    if (text !== undefined) return text;
    const read = await this.#read(path);
    if (key !== undefined) known.set(key, read);
    return read;
  }

  /** @throws GitFailed */
  files(): Promise<CommitFiles> {
    this.#opened ??= openCommit(this.#source, this.#parts.git, this.#parts.signal);
    return this.#opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }

  async #read(path: string): Promise<string | null> {
    const found = await (await this.files()).read(path, MAX_CONFIG_BYTES);
    if (!found) return null;
    if (found.isWhole) return found.text;
    const expected = `at most ${MAX_CONFIG_BYTES} bytes`;
    throw new InvalidConfig([{ line: 1, column: 1, field: 'file', got: 'a larger file', expected }]);
  }
}
