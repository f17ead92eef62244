import { readFile } from 'node:fs/promises';
import { UsageError } from '../io/errors.ts';

/** Reads the first of the files that exists. @throws UsageError if it can't be read */
export async function readFirst(paths: readonly string[]): Promise<{ path: string; text: string } | undefined> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw new UsageError(`can't read ${path}: ${error.message}`);
    });
    if (text !== undefined) return { path, text };
  }
  return undefined;
}
