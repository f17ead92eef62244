import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UsageError } from './errors.ts';
import type { Io } from './output.ts';

/** Reads a text file; `-` is standard input. @throws UsageError */
export async function readText(path: string, io: Io): Promise<string> {
  const bytes = path === '-' ? Buffer.concat(await Array.fromAsync(io.stdin)) : await readNamed(path, io.cwd);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${path} is not UTF-8 text`);
  }
}

async function readNamed(path: string, cwd: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cwd, path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(code === 'ENOENT' ? `${path}: no such file` : `can't read ${path}: ${code}`);
  }
}

/** Reads a JSON file; `-` is standard input. @throws UsageError */
export async function readJson(path: string, io: Io): Promise<unknown> {
  const text = await readText(path, io);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UsageError(`${path} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
