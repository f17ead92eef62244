import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A directory for one test, gone after it. */
export class TempDir implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** With these files in it, by path; a path that ends with `/` is an empty directory. */
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
