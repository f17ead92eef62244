import { rawTar } from '@kiln/trees/testing';

/** Returns a tar of small files. */
export function tar(files: Readonly<Record<string, string | Buffer>>): Buffer {
  return rawTar(...Object.entries(files).map(([name, content]) => ({ name, content })));
}
