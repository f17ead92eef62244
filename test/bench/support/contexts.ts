import { createHash } from 'node:crypto';
import { cp, mkdir, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const BASE = process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'debian:bookworm-slim';

/** A directory to build from. */
export interface BenchContext {
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
}

/** Text of `bytes` bytes that looks like source code to a compressor: lines that repeat with small changes. */
function source(seed: number, bytes: number): Buffer {
  let text = '';
  for (let line = 0; text.length < bytes; line += 1) {
    const word = createHash('sha1').update(`${seed}/${line}`).digest('hex').slice(0, 12);
    text += `static int f_${word}(int a, int b) { return a * ${line} + b - ${word.length}; }\n`;
  }
  return Buffer.from(text.slice(0, bytes));
}

interface Shape {
  readonly files: number;
  readonly bytes: number;
  readonly perDirectory: number;
  readonly dockerfile: string;
}

/** Makes `files` files of `bytes` bytes in all, of very different sizes, as sources are. */
export async function makeContext(
  dir: string,
  { files, bytes, perDirectory, dockerfile }: Shape,
): Promise<BenchContext> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'Dockerfile'), dockerfile);
  // A few files have most of the bytes.
  const weights = Array.from({ length: files }, (_, i) => 0.05 + ((i * 2_654_435_761) % 1_000) ** 3 / 1e9);
  const sum = weights.reduce((a, b) => a + b, 0);
  for (const [i, weight] of weights.entries()) {
    const path = join(dir, 'src', `d${Math.floor(i / perDirectory)}`, `f${i}.c`);
    if (i % perDirectory === 0) await mkdir(dirname(path), { recursive: true });
    await writeFile(path, source(i, Math.round((weight / sum) * bytes)));
  }
  return { dir, files: files + 1, bytes };
}

/** A context with one file that can't be compressed. */
export async function makeLargeFile(dir: string, bytes: number): Promise<BenchContext> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'Dockerfile'), `FROM ${BASE}\nCOPY large /large\n`);
  const block = Buffer.concat(Array.from({ length: 32_768 }, (_, i) => createHash('sha256').update(`${i}`).digest()));
  await using file = await open(join(dir, 'large'), 'w');
  for (let at = 0; at < bytes; at += block.length) {
    block.writeUInt32BE(at / block.length);
    await file.write(block, 0, Math.min(block.length, bytes - at));
  }
  return { dir, files: 2, bytes };
}

export const dockerfiles = {
  all: `FROM ${BASE}\nCOPY . /src\n`,
  /** Needs the first 100 files of 20,000 only. */
  few: `FROM ${BASE}\nCOPY src/d0 src/d1 src/d2 src/d3 src/d4 /src/\n`,
};

/** Replaces the directory by a copy in which every file is new, as a fresh checkout is. */
export async function freshCopy(dir: string): Promise<void> {
  const copy = `${dir}.copy`;
  await cp(dir, copy, { recursive: true });
  await rm(dir, { recursive: true });
  await cp(copy, dir, { recursive: true });
  await rm(copy, { recursive: true });
  // Some file systems have times of a second.
  const now = new Date();
  for (const entry of await readdir(dir)) await utimes(join(dir, entry), now, now);
}
