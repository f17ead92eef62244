import { open, readFile, rename } from 'node:fs/promises';

/** Replaces a file of this process alone. After a crash, of the machine too if `isDurable`, there is either the old text or the new one. */
export async function replaceFile(
  path: string,
  text: string | Uint8Array | Iterable<Buffer>,
  isDurable = false,
): Promise<void> {
  const draft = `${path}.new`;
  {
    await using file = await open(draft, 'w', 0o600);
    await file.writeFile(text);
    if (isDurable) await file.sync();
  }
  await rename(draft, path);
  if (!isDurable) return;
  await using dir = await open(path.slice(0, path.lastIndexOf('/')));
  await dir.sync();
}

/** Reads a file; undefined if there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const HEAD_BYTES = 16 * 1024;

/** Reads the beginning of a file, which is enough for the head of a record; undefined if there is none. */
export async function readBeginning(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
