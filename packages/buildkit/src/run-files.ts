import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { CommitDockerfile } from './builder-options.ts';
import type { SecretPlace } from './buildx-arguments.ts';
import { type ContextDir, MAX_NAME_BYTES, unpackContext } from './context-dir.ts';
import { dockerConfig, hostDockerConfig, type RegistryLogin } from './docker-config.ts';
import { SOURCE_POLICY_VARIABLE, type SourcePolicy } from './egress/source-policy.ts';
import type { RunOwner } from './run-owner.ts';
import { RunUser } from './run-users.ts';
import type { ToolPaths } from './tool-scripts.ts';

/** A process's environment takes no more than 128 KiB in one string (Linux, MAX_ARG_STRLEN). */
const MAX_ENV_BYTES = 100 * 1024;

/**
 * The files of one run. `<dir>/own` is buildx's: once `giveAway` has been called it belongs to a user that no other run has, and nobody else but
 * root gets in, until `reclaim`. What lies beside it is this process's.
 */
export class RunFiles {
  readonly #dir: string;
  readonly #own: string;
  readonly #user = new RunUser();
  readonly #owner: RunOwner;
  readonly pidFile: string;
  readonly metadataFile: string;
  /** Where progress waits that can't be written to the log as fast as it comes. */
  readonly spillFile: string;
  /** buildx's memory for this run: its builders are the shared ones, all else, like the build's ref, is its own and goes with it. */
  readonly #buildxConfig: string;
  readonly #dockerConfig: string;

  private constructor(dir: string, owner: RunOwner) {
    this.#dir = dir;
    this.#own = join(dir, 'own');
    this.#owner = owner;
    this.pidFile = join(this.#own, 'pid');
    this.metadataFile = join(this.#own, 'metadata.json');
    this.spillFile = join(dir, 'spill');
    this.#buildxConfig = join(this.#own, 'buildx');
    this.#dockerConfig = join(this.#own, 'docker');
  }

  static async create(paths: ToolPaths, owner: RunOwner, name: string): Promise<RunFiles> {
    const dir = join(paths.runs, name);
    const files = new RunFiles(dir, owner);
    await files.#remove();
    await mkdir(files.#own, { recursive: true });
    await chmod(dir, 0o711);
    await chmod(files.#own, 0o700);
    await mkdir(files.#buildxConfig);
    await cp(join(paths.buildxConfig, 'instances'), join(files.#buildxConfig, 'instances'), { recursive: true });
    return files;
  }

  /** Variables by which buildx finds its files, and nobody else's. */
  get env(): string[] {
    return [`BUILDX_CONFIG=${this.#buildxConfig}`, `DOCKER_CONFIG=${this.#dockerConfig}`, `HOME=${this.#own}`];
  }

  /** Makes all that was placed the run's user's; answers as whom buildx is to run. @throws as `RunOwner.give` */
  async giveAway(): Promise<string> {
    return await this.#owner.give(this.#own, this.#user.uid);
  }

  /** buildx is gone: what it left can be read. @throws as `RunOwner.reclaim` */
  async reclaim(): Promise<void> {
    await this.#owner.reclaim(this.#own);
  }

  /** The ref under which BuildKit knows the build, once buildx has sent it: the name of a file in `refs/<builder>/<node>`. */
  async ref(): Promise<string | undefined> {
    const refs = await readdir(join(this.#buildxConfig, 'refs'), { recursive: true, withFileTypes: true }).catch(
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
        const src = join(this.#own, `secret-${places.length}`);
        await writeFile(src, value, { mode: 0o600 });
        places.push({ id, src });
      }
    }
    return { env, places };
  }

  /** The host's registry logins with the build's own over them, in a file until the run ends. */
  async placeLogins(logins: readonly RegistryLogin[], hostConfigDir: string | undefined): Promise<void> {
    await mkdir(this.#dockerConfig, { mode: 0o700 });
    const config = dockerConfig(logins, await hostDockerConfig(hostConfigDir));
    await writeFile(join(this.#dockerConfig, 'config.json'), config, { mode: 0o600 });
  }

  /** The variable by which buildx finds what BuildKit may fetch from. */
  async placeSourcePolicy(policy: SourcePolicy | undefined): Promise<string[]> {
    if (policy === undefined) return [];
    const file = join(this.#own, 'source-policy.json');
    await writeFile(file, JSON.stringify(policy));
    return [`${SOURCE_POLICY_VARIABLE}=${file}`];
  }

  /** An uploaded context, unpacked. @throws ContextUnusable */
  unpackContext(open: () => Promise<Readable>, dockerfile: string, signal: AbortSignal): Promise<ContextDir> {
    return unpackContext(open, dockerfile, { dir: this.#own, modesFile: `${this.#own}.modes` }, signal);
  }

  /** A Dockerfile that doesn't come with the context, with its own ignore file; answers its path. */
  async placeDockerfile(asked: string, { text, ignore }: CommitDockerfile): Promise<string> {
    const dir = join(this.#own, 'dockerfile');
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

  async [Symbol.asyncDispose](): Promise<void> {
    using _ = this.#user;
    await this.#remove();
  }

  async #remove(): Promise<void> {
    try {
      await rm(this.#dir, { recursive: true, force: true });
    } catch {
      // Something in it is another user's, or in a directory that may not be written to.
      await this.#owner.remove(this.#dir);
    }
  }
}
