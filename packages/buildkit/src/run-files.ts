import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { CommitDockerfile } from './builder-options.ts';
import type { SecretPlace } from './buildx-arguments.ts';
import { type ContextDir, MAX_NAME_BYTES, unpackContext } from './context-dir.ts';
import { dockerConfig, hostDockerConfig, type RegistryLogin } from './docker-config.ts';
import { SOURCE_POLICY_VARIABLE, type SourcePolicy } from './egress/source-policy.ts';
import type { ToolPaths } from './tool-scripts.ts';

/** A process's environment takes no more than 128 KiB in one string (Linux, MAX_ARG_STRLEN). */
const MAX_ENV_BYTES = 100 * 1024;

/** The files of one run, in a directory that only the tool container and the worker see. */
export class RunFiles {
  readonly #dir: string;
  readonly pidFile: string;
  readonly metadataFile: string;
  /** Where progress waits that can't be written to the log as fast as it comes. */
  readonly spillFile: string;
  /** buildx's memory for this run: its builders are the shared ones, all else, like the build's ref, is its own and goes with it. */
  readonly buildxConfig: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.pidFile = join(dir, 'pid');
    this.metadataFile = join(dir, 'metadata.json');
    this.spillFile = join(dir, 'spill');
    this.buildxConfig = join(dir, 'buildx');
  }

  static async create(paths: ToolPaths, name: string): Promise<RunFiles> {
    const dir = join(paths.runs, name);
    await rm(dir, { recursive: true, force: true });
    const files = new RunFiles(dir);
    await mkdir(files.buildxConfig, { mode: 0o700, recursive: true });
    await symlink(join(paths.buildxConfig, 'instances'), join(files.buildxConfig, 'instances'));
    return files;
  }

  /** The ref under which BuildKit knows the build, once buildx has sent it: the name of a file in `refs/<builder>/<node>`. */
  async ref(): Promise<string | undefined> {
    const refs = await readdir(join(this.buildxConfig, 'refs'), { recursive: true, withFileTypes: true }).catch(
      () => [],
    );
    return refs.find((entry) => entry.isFile())?.name;
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

  /** Variables by which buildx finds the build's registry logins, in a file until the run ends; none where it has none. */
  async placeLogins(logins: readonly RegistryLogin[], hostConfigDir: string | undefined): Promise<string[]> {
    if (logins.length === 0) return [];
    const dir = join(this.#dir, 'docker');
    await mkdir(dir, { mode: 0o700 });
    const config = dockerConfig(logins, await hostDockerConfig(hostConfigDir));
    await writeFile(join(dir, 'config.json'), config, { mode: 0o600 });
    return [`DOCKER_CONFIG=${dir}`];
  }

  /** The variable by which buildx finds what BuildKit may fetch from. */
  async placeSourcePolicy(policy: SourcePolicy | undefined): Promise<string[]> {
    if (policy === undefined) return [];
    const file = join(this.#dir, 'source-policy.json');
    await writeFile(file, JSON.stringify(policy));
    return [`${SOURCE_POLICY_VARIABLE}=${file}`];
  }

  /** An uploaded context, unpacked. @throws ContextUnusable */
  unpackContext(open: () => Promise<Readable>, dockerfile: string, signal: AbortSignal): Promise<ContextDir> {
    return unpackContext(open, dockerfile, this.#dir, signal);
  }

  /** A Dockerfile that doesn't come with the context, with its own ignore file; answers its path. */
  async placeDockerfile(asked: string, { text, ignore }: CommitDockerfile): Promise<string> {
    const dir = join(this.#dir, 'dockerfile');
    await mkdir(dir);
    // BuildKit's messages have the name.
    const name = basename(asked);
    const path = join(dir, Buffer.byteLength(name) > MAX_NAME_BYTES ? 'Dockerfile' : name);
    await writeFile(path, text);
    if (ignore !== undefined) await writeFile(`${path}.dockerignore`, ignore);
    return path;
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
