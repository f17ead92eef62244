import { isCommit } from '@kiln/domain';
import { InvalidConfig } from '@kiln/forges';
import { type CommitFiles, type GitLimits, type GitSource, openCommit } from '@kiln/git';

/** A configuration is far smaller; what is larger is cut off and refused. */
const MAX_CONFIG_BYTES = 256 * 1024;
const MAX_KNOWN = 500;
/** Most that is kept of one: what is larger is refused when it is parsed. */
const MAX_KNOWN_CHARS = 32 * 1024;

/** Texts of configurations at commits, which never change: forges tell of one commit several times. */
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

export interface CommitReaderParts {
  /** Whose credentials read it: what one connection has read is for no other. */
  readonly connection: string;
  readonly known: KnownConfigs;
  readonly git: GitLimits;
  readonly signal: AbortSignal;
}

/** One commit of a repository, fetched when something has to be read that isn't known. */
export class CommitReader implements AsyncDisposable {
  readonly #source: GitSource;
  readonly #parts: CommitReaderParts;
  #opened: Promise<CommitFiles> | undefined;

  constructor(source: GitSource, parts: CommitReaderParts) {
    this.#source = source;
    this.#parts = parts;
  }

  /** In full. @throws GitFailed */
  async commit(): Promise<string> {
    return isCommit(this.#source.ref) ? this.#source.ref : (await this.files()).commit;
  }

  /** The text of the configuration; null where there is none. @throws InvalidConfig @throws GitFailed */
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
