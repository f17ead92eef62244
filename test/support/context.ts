import { buffer } from 'node:stream/consumers';
import type { ContextUpload } from '@kiln/client';
import { pack } from 'tar-stream';

export type ContextFiles = Readonly<Record<string, string | Buffer>>;

/** Makes a build context of these files. */
export async function contextOf(files: ContextFiles): Promise<ContextUpload> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mtime: new Date(0) }, content);
  tar.finalize();
  const bytes = await buffer(tar);
  return { repeatable: true, open: () => chunks(bytes) };
}

async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
