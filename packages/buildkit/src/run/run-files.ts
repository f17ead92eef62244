import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { SOURCE_POLICY_VARIABLE, type SourcePolicy } from '../egress/source-policy.ts';
import type { ToolPaths } from '../tool/tool-scripts.ts';
import { copyName } from '../trees/dockerfile-copies.ts';
import type { LeasedTree } from '../trees/working-trees.ts';
import type { SecretPlace } from './buildx-arguments.ts';
import type { LocalCaches } from './cache-flags.ts';
import { type ContextDir, type ContextPlace, unpackContext, unpackNamedContext } from './context-dir.ts';
import { type DockerConfig, dockerConfig, hostDockerConfig, type RegistryLogin } from './docker-config.ts';
import type { RunOwner } from './run-owner.ts';
import type { CacheArchive, CommitDockerfile } from './run-request.ts';
import { RunUser } from './run-users.ts';

/** Linux limits a variable of the environment to 128 KiB (MAX_ARG_STRLEN). */
const MAX_ENV_BYTES = 100 * 1024;

interface PlacedDockerfile {
  readonly text: CommitDockerfile['text'] | Uint8Array;
  readonly ignore?: CommitDockerfile['ignore'] | Uint8Array;
}

/**
 * The files of one run. `<dir>/own` is for buildx: from `handOver` until `reclaim` it belongs to a user that no other run has, and only that
 * user and root have access. Files beside it belong to this process.
 */
export class RunFiles {
  readonly #dir: string;
  readonly #own: string;
  readonly #user = new RunUser();
  readonly #owner: RunOwner;
  readonly pidFile: string;
  readonly metadataFile: string;
  /** Buffers progress that arrives faster than the log takes it. */
  readonly spillFile: string;
  /** For contents of a tree that have to wait; doesn't exist yet. */
  readonly contentsFile: string;
  /** buildx's configuration for this run: has the shared builders; the rest, such as the build's ref, is the run's own. */
  readonly #buildxConfig: string;
  readonly #dockerConfig: string;
  #tree: LeasedTree | undefined;

  private constructor(dir: string, owner: RunOwner) {
    this.#dir = dir;
    this.#own = join(dir, 'own');
    this.#owner = owner;
    this.pidFile = join(this.#own, 'pid');
    this.metadataFile = join(this.#own, 'metadata.json');
    this.spillFile = join(dir, 'spill');
    this.contentsFile = join(dir, 'contents');
    this.#buildxConfig = join(this.#own, 'buildx');
    this.#dockerConfig = join(this.#own, 'docker');
  }

  static async create(paths: ToolPaths, owner: RunOwner, name: string): Promise<RunFiles> {
    const dir = join(paths.runs, name);
    const files = new RunFiles(dir, owner);
    try {
      await mkdir(dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await files.#remove();
      await mkdir(dir);
    }
    await mkdir(files.#own, { mode: 0o700 });
    await mkdir(files.#buildxConfig);
    // Set explicitly, regardless of the umask.
    await Promise.all([chmod(dir, 0o711), chmod(files.#own, 0o700), files.#copyInstances(paths)]);
    return files;
  }

  /** buildx keeps a file for each builder. (`cp` looks at everything several times.) */
  async #copyInstances({ buildxConfig }: ToolPaths): Promise<void> {
    const to = join(this.#buildxConfig, 'instances');
    const from = join(buildxConfig, 'instances');
    const [files] = await Promise.all([readdir(from), mkdir(to)]);
    await Promise.all(files.map((file) => copyFile(join(from, file), join(to, file))));
  }

  /** Variables that point buildx to the run's own files. */
  get env(): string[] {
    return [`BUILDX_CONFIG=${this.#buildxConfig}`, `DOCKER_CONFIG=${this.#dockerConfig}`, `HOME=${this.#own}`];
  }

  /** Makes the run one of a working tree, whose user it gets: only that user can read the tree. The tree is released with the files. */
  useTree(tree: LeasedTree): void {
    this.#tree = tree;
  }

  /** The run's working tree, if it has one. */
  get tree(): LeasedTree | undefined {
    return this.#tree;
  }

  /** Gives all placed files to the run's user; returns the user, `uid:gid`, that buildx has to run as. @throws as `RunOwner.give` */
  async handOver(): Promise<string> {
    // With the same node and path as the last time, BuildKit finds its copy of the tree, and needs only what differs.
    if (this.#tree) await writeFile(join(this.#buildxConfig, '.buildNodeID'), this.#tree.nodeId, { mode: 0o600 });
    return await this.#owner.give(this.#own, this.#tree?.uid ?? this.#user.uid);
  }

  /** Makes the files readable again after buildx has exited. @throws as `RunOwner.reclaim` */
  async reclaim(): Promise<void> {
    await this.#owner.reclaim(this.#own);
  }

  /** Returns BuildKit's ref of the last build, the name of a file in `refs/<builder>/<node>`; undefined until buildx has sent the build. */
  async ref(): Promise<string | undefined> {
    const dir = join(this.#buildxConfig, 'refs');
    const refs = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = refs.filter((entry) => entry.isFile());
    // A push that was repeated has left several.
    const times = await Promise.all(files.map(({ parentPath, name }) => stat(join(parentPath, name))));
    const newest = Math.max(...times.map(({ mtimeMs }) => mtimeMs));
    return files.find((_, i) => times[i]?.mtimeMs === newest)?.name;
  }

  /** Returns the refs of all builds: one for each target. */
  async refs(): Promise<string[]> {
    const dir = join(this.#buildxConfig, 'refs');
    const refs = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
    return refs.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  /**
   * Returns variables for the secrets, and each secret's place. Values that don't fit into a variable go into files of the run.
   * @param binary ids of those that are bytes in base64
   */
  async placeSecrets(
    secrets: ReadonlyMap<string, string>,
    binary: readonly string[] = [],
  ): Promise<{ env: string[]; places: SecretPlace[] }> {
    const env: string[] = [];
    const places: SecretPlace[] = [];
    for (const [id, value] of secrets) {
      const isBinary = binary.includes(id);
      if (!isBinary && Buffer.byteLength(value) <= MAX_ENV_BYTES && !value.includes('\0')) {
        const variable = `KILN_SECRET_${places.length}`;
        env.push(`${variable}=${value}`);
        places.push({ id, env: variable });
      } else {
        const src = join(this.#own, `secret-${places.length}`);
        await writeFile(src, isBinary ? Buffer.from(value, 'base64') : value, { mode: 0o600 });
        places.push({ id, src });
      }
    }
    return { env, places };
  }

  /** Writes the host's registry logins and the build's own, which take precedence, into a file of the run. Returns the host's configuration. */
  async placeLogins(logins: readonly RegistryLogin[], hostConfigDir: string | undefined): Promise<DockerConfig> {
    await mkdir(this.#dockerConfig, { mode: 0o700 });
    const base = await hostDockerConfig(hostConfigDir);
    await writeFile(join(this.#dockerConfig, 'config.json'), dockerConfig(logins, base), { mode: 0o600 });
    return base;
  }

  /** Restores an archive of caches into the run's files. Returns the directories from which buildx imports, and to which it exports. */
  async placeArchive(archive: CacheArchive | undefined, signal: AbortSignal): Promise<LocalCaches> {
    if (!archive) return {};
    const [from, to] = [join(this.#own, 'caches'), join(this.#own, 'new-caches')];
    return { from: (await archive.restore(from, signal)) ? from : undefined, to };
  }

  /** Makes the directory in which buildx writes several outputs; returns the path of each. */
  async placeOutputs(count: number): Promise<string[]> {
    const dir = join(this.#own, 'outputs');
    await mkdir(dir);
    return Array.from({ length: count }, (_, i) => join(dir, `${i}.tar`));
  }

  /** Writes the source policy into a file; returns the variable that points buildx to it. */
  async placeSourcePolicy(policy: SourcePolicy | undefined): Promise<string[]> {
    if (policy === undefined) return [];
    const file = join(this.#own, 'source-policy.json');
    await writeFile(file, JSON.stringify(policy));
    return [`${SOURCE_POLICY_VARIABLE}=${file}`];
  }

  /** Unpacks an uploaded context. @throws ContextUnusable */
  unpackContext(open: () => Promise<Readable>, dockerfile: string, signal: AbortSignal): Promise<ContextDir> {
    return unpackContext(open, dockerfile, this.#place, signal);
  }

  /** Unpacks one of the further contexts; returns its path. @throws ContextUnusable */
  unpackNamedContext(tar: Readable, number: number, signal: AbortSignal): Promise<string> {
    return unpackNamedContext(tar, number, this.#place, signal);
  }

  /** Makes a place for the context of a further target. */
  async targetPlace(number: number): Promise<ContextPlace> {
    const dir = join(this.#own, 'targets', String(number));
    await mkdir(dir, { recursive: true });
    return { ...this.#place, dir };
  }

  /** Writes the definition of a build with several targets; returns its path. */
  async placeBakeFile(name: string, definition: object): Promise<string> {
    const path = join(this.#own, name);
    await writeFile(path, JSON.stringify(definition));
    return path;
  }

  get #place(): ContextPlace {
    return { dir: this.#own, modesFile: `${this.#own}.modes` };
  }

  /** Writes a Dockerfile that doesn't come with the context, and its ignore file; returns its path. */
  async placeDockerfile(asked: string, { text, ignore }: PlacedDockerfile, place = this.#place): Promise<string> {
    const dir = join(place.dir, 'dockerfile');
    await mkdir(dir);
    const path = join(dir, copyName(asked));
    await writeFile(path, text);
    if (ignore !== undefined) await writeFile(`${path}.dockerignore`, ignore);
    return path;
  }

  /** Reads buildx's metadata of the result; empty if it didn't get that far. */
  async metadata(): Promise<Readonly<Record<string, unknown>>> {
    try {
      return JSON.parse(await readFile(this.metadataFile, 'utf8')) as Record<string, unknown>;
    } catch {
      return {};
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _ = this.#user;
    await using __ = this.#tree;
    await this.#remove();
  }

  async #remove(): Promise<void> {
    try {
      await rm(this.#dir, { recursive: true, force: true });
    } catch {
      // Some file belongs to another user, or its directory isn't writable.
      await this.#owner.remove(this.#dir);
    }
  }
}
