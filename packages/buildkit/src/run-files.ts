import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SecretPlace } from './buildx-arguments.ts';

/** A process's environment takes no more than 128 KiB in one string (Linux, MAX_ARG_STRLEN). */
const MAX_ENV_BYTES = 100 * 1024;

/** The files of one run, in a directory that only the tool container and the worker see. */
export class RunFiles {
  readonly #dir: string;
  readonly pidFile: string;
  readonly metadataFile: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.pidFile = join(dir, 'pid');
    this.metadataFile = join(dir, 'metadata.json');
  }

  static async create(runsDir: string, name: string): Promise<RunFiles> {
    const dir = join(runsDir, name);
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { mode: 0o700 });
    return new RunFiles(dir);
  }

  /** Variables for the secrets, and where buildx finds each. What doesn't fit a variable goes into a file until the run ends. */
  async placeSecrets(secrets: ReadonlyMap<string, string>): Promise<{ env: string[]; places: SecretPlace[] }> {
    const env: string[] = [];
    const places: SecretPlace[] = [];
    for (const [id, value] of secrets) {
      if (Buffer.byteLength(value) <= MAX_ENV_BYTES && !value.includes('\0')) {
        const variable = `KILN_SECRET_${places.length}`;
        env.push(`${variable}=${value}`);
        places.push({ id, env: variable });
      } else {
        const src = join(this.#dir, `secret-${places.length}`);
        await writeFile(src, value, { mode: 0o600 });
        places.push({ id, src });
      }
    }
    return { env, places };
  }

  /** What buildx says of the result; empty where it got no further. */
  async metadata(): Promise<Readonly<Record<string, unknown>>> {
    try {
      return JSON.parse(await readFile(this.metadataFile, 'utf8')) as Record<string, unknown>;
    } catch {
      return {};
    }
  }

  /** Whether the process has started, so that its pid is known. */
  async hasPid(): Promise<boolean> {
    try {
      return (await readFile(this.pidFile, 'utf8')).trim() !== '';
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }
}
