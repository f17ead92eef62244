import { Readable } from 'node:stream';
import { type ReadTarOptions, readTar, type TarEntry } from '../read-tar.ts';

export type Collected = Omit<TarEntry, 'content'> & { readonly text: string };

/** Returns all entries of an archive with their content, read in chunks of the given sizes in turn. */
export async function collect(
  tar: Buffer,
  options: ReadTarOptions = {},
  sizes: readonly number[] = [65_536],
): Promise<Collected[]> {
  const entries: Collected[] = [];
  for await (const { content, ...entry } of readTar(pieces(tar, sizes), options)) {
    const parts = await Array.fromAsync(content);
    entries.push({ ...entry, text: Buffer.concat(parts).toString() });
  }
  return entries;
}

/** Returns a stream of the bytes, in chunks of the given sizes in turn. */
export function pieces(bytes: Buffer, sizes: readonly number[] = [65_536]): Readable {
  const cut: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return Readable.from(cut);
}
