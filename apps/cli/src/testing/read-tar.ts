import { Readable } from 'node:stream';
import { extract } from 'tar-stream';

export interface TarEntry {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtimeMs: number;
  readonly linkname: string | null;
  readonly text: string;
}

/** Returns the entries of a tar in order. */
export async function readTar(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<TarEntry[]> {
  const tar = extract();
  Readable.from(bytes).pipe(tar as unknown as NodeJS.WritableStream);
  const entries: TarEntry[] = [];
  for await (const entry of tar) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    const { name, type, mode, uid, mtime, linkname } = entry.header;
    const text = Buffer.concat(chunks).toString();
    entries.push({ name, type, mode, uid, mtimeMs: mtime.getTime(), linkname: linkname || null, text });
  }
  return entries;
}
