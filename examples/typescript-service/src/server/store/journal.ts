import { type FileHandle, mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Change } from '../../shared/change.ts';

/** An append-only file of changes, one JSON object a line. A change counts once its line is on disk. */
export class Journal {
  readonly #file: FileHandle;
  /** Appends queue up behind one another, so lines never mix. */
  #tail: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens the journal and hands back what it holds; a line cut short by a crash is dropped from the file. */
  static async open(path: string): Promise<{ journal: Journal; changes: Change[] }> {
    await mkdir(dirname(path), { recursive: true });
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const completeBytes = bytes.lastIndexOf('\n') + 1;
    if (completeBytes < bytes.length) await truncate(path, completeBytes);
    const changes = bytes
      .subarray(0, completeBytes)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Change);
    return { journal: new Journal(await open(path, 'a')), changes };
  }

  append(change: Change): Promise<void> {
    const written = this.#tail.then(async () => {
      await this.#file.appendFile(`${JSON.stringify(change)}\n`);
      await this.#file.datasync();
    });
    // Whoever appended sees the failure; the next append is tried regardless.
    this.#tail = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#file.close();
  }
}
