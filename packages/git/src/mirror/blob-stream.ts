import type { GitProcess } from '../run-git.ts';

/** A blob, whose content must be read before the next one. */
export interface GitBlob {
  readonly id: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Buffer>;
}

const HEAD_BYTES = 256;

/**
 * Reads blobs in the order of `ids` from a running `git cat-file --batch`; only a chunk at a time is in memory. Ends the process.
 * @throws Error if one is missing, or the output isn't what git promises
 */
export async function* blobsOf(git: GitProcess, ids: readonly string[]): AsyncGenerator<GitBlob> {
  // Git reads the ids while it prints: written at once, its input is never what it waits for.
  git.stdin.end(`${ids.join('\n')}\n`);
  const from = new OutputReader(git.stdout);
  try {
    for (const id of ids) {
      const head = await from.line();
      const [, got, size] = /^([0-9a-f]+) blob (\d+)$/.exec(head) ?? [];
      if (got !== id || size === undefined) throw new Error(`git has no file ${id}: ${head}`);
      const content = from.content(Number(size));
      yield {
        id,
        sizeBytes: Number(size),
        content: { [Symbol.asyncIterator]: () => ({ next: () => content.next() }) },
      };
      for await (const _ of content);
      await from.skipNewline();
    }
  } catch (error) {
    git.kill();
    const end = await git.ended;
    throw end.ok || end.stderr === '' ? error : new Error(`git cat-file: ${end.stderr.trim()}`, { cause: error });
  } finally {
    git.kill();
  }
}

class OutputReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stdout: AsyncIterable<Buffer>) {
    this.#chunks = stdout[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    let end = this.#rest.indexOf(10);
    while (end < 0) {
      if (this.#rest.length > HEAD_BYTES) throw new Error('git printed a line that is too long');
      this.#rest = Buffer.concat([this.#rest, await this.#next()]);
      end = this.#rest.indexOf(10);
    }
    return this.#cut(end + 1).toString('latin1', 0, end);
  }

  async *content(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const part = this.#cut(Math.min(left, this.#rest.length));
      left -= part.length;
      yield part;
    }
  }

  async skipNewline(): Promise<void> {
    if (this.#rest.length === 0) this.#rest = await this.#next();
    this.#cut(1);
  }

  #cut(length: number): Buffer {
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return part;
  }

  async #next(): Promise<Buffer> {
    const { value, done } = await this.#chunks.next();
    if (done) throw new Error('git ended before it had printed everything');
    return value;
  }
}
