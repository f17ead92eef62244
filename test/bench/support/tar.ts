import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** Makes a tar of the files, in memory. */
export async function tarOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mode: 0o644 }, content);
  archive.finalize();
  return buffer(archive);
}
