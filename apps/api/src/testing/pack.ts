import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';

export type Packed = string | (Partial<Header> & { name: string });

/** Packs a tar of the given entries; a string is a file's content. */
export async function tarOf(...entries: readonly Packed[]): Promise<Buffer> {
  const packing = pack();
  for (const entry of entries) {
    if (typeof entry === 'string') packing.entry({ name: entry }, `content of ${entry}`);
    else if (entry.type === undefined || entry.type === 'file') packing.entry(entry, '');
    else packing.entry(entry);
  }
  packing.finalize();
  return buffer(packing as unknown as Readable);
}
