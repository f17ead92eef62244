import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from './directory/files.ts';

/** A directory of temporary files. */
export class Spool {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Returns the path of a file that doesn't exist yet. */
  async newPath(): Promise<string> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    return join(this.#dir, randomUUID());
  }

  /** Deletes the files that were last written before `before`, ms since the epoch. Returns their number. */
  async deleteOld(before: number): Promise<number> {
    let deleted = 0;
    for await (const { path, info } of filesBelow(this.#dir)) {
      if (info.usedAt >= before) continue;
      await rm(path, { force: true });
      deleted += 1;
    }
    return deleted;
  }
}
