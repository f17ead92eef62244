import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A temporary directory, removed when it is disposed. */
export class TempDir implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Creates a directory that contains these files, by path. A path that ends with `/` is an empty directory. */
  static async with(files: Readonly<Record<string, string>>): Promise<TempDir> {
    const dir = new TempDir(await mkdtemp(join(tmpdir(), 'kiln-cli-')));
    for (const [path, text] of Object.entries(files)) {
      if (path.endsWith('/')) await mkdir(join(dir.path, path), { recursive: true });
      else {
        await mkdir(dirname(join(dir.path, path)), { recursive: true });
        await writeFile(join(dir.path, path), text);
      }
    }
    return dir;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
