import { closeSync, openSync, readSync } from 'node:fs';
import type { ContextFile } from '../context-tree.ts';

const SAMPLES = 16;
const SAMPLE_BYTES = 16 * 1024;

/** Reads a few pieces, evenly spread over the content of some files. A file that can't be read contributes nothing. */
export function sampleOf(files: readonly ContextFile[]): Buffer {
  const totalBytes = files.reduce((sum, { state }) => sum + state.sizeBytes, 0);
  const pieces: Buffer[] = [];
  let end = 0;
  let next = totalBytes / SAMPLES / 2;
  for (const file of files) {
    const from = end;
    end += file.state.sizeBytes;
    while (next < end) {
      const at = Math.max(0, Math.min(Math.floor(next - from), file.state.sizeBytes - SAMPLE_BYTES));
      pieces.push(pieceOf(file, at));
      next = Math.max(next + totalBytes / SAMPLES, from + at + SAMPLE_BYTES);
    }
  }
  return Buffer.concat(pieces);
}

function pieceOf({ content }: ContextFile, at: number): Buffer {
  if ('bytes' in content) return Buffer.from(content.bytes.subarray(at, at + SAMPLE_BYTES));
  try {
    const file = openSync(content.path as string, 'r');
    try {
      const bytes = Buffer.allocUnsafe(SAMPLE_BYTES);
      return bytes.subarray(0, readSync(file, bytes, 0, SAMPLE_BYTES, at));
    } finally {
      closeSync(file);
    }
  } catch {
    return Buffer.alloc(0);
  }
}
