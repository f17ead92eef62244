import { UsageError } from '../io/errors.ts';
import { packerOf, unpacked } from './unpacked.ts';

/** The kind of context that standard input contains. */
export type PipedContext =
  | { readonly kind: 'tar'; readonly gzip: boolean; readonly bytes: () => AsyncIterable<Uint8Array> }
  | { readonly kind: 'dockerfile'; readonly text: Uint8Array };

const BLOCK_BYTES = 512;

/** Detects a tar, or one compressed with gzip, bzip2, xz or zstd, by its first bytes. As in docker, anything else is a Dockerfile without a context. */
export async function readPipedContext(stdin: AsyncIterable<Uint8Array>): Promise<PipedContext> {
  const chunks = stdin[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  let ended = false;
  while (length < BLOCK_BYTES && !ended) {
    const { value, done } = await chunks.next();
    ended = done === true;
    if (ended) break;
    head.push(value);
    length += value.length;
  }
  const start = Buffer.concat(head);
  if (start.length === 0) throw new UsageError('the context on standard input is empty');
  const gzip = start[0] === 0x1f && start[1] === 0x8b;
  if (gzip || looksLikeTar(start)) return { kind: 'tar', gzip, bytes: () => joined(start, chunks) };
  const packer = packerOf(start);
  if (packer) return { kind: 'tar', gzip: false, bytes: () => unpacked(joined(start, chunks), packer) };
  return { kind: 'dockerfile', text: Buffer.concat([start, ...(ended ? [] : await rest(chunks))]) };
}

async function* joined(start: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

async function rest(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) all.push(next.value);
  return all;
}

/** Checks the header's checksum, which every tar has; old ones lack the `ustar` magic. */
function looksLikeTar(block: Buffer): boolean {
  if (block.length < BLOCK_BYTES) return false;
  const header = block.subarray(0, BLOCK_BYTES);
  const stored = Number.parseInt(
    header
      .toString('latin1', 148, 156)
      .replace(/[\0 ]+/g, ' ')
      .trim(),
    8,
  );
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return stored === sum && sum > 8 * 0x20;
}
