import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeImages } from '@kiln/buildkit/testing';
import { KilnClient } from '@kiln/client';
import { freePort } from '@kiln/runtime/testing';
import type { ContextFiles } from './context.ts';
import { ManagedProcess } from './process.ts';

const run = promisify(execFile);
const COMPOSE_FILE = new URL('../../infra/compose.yaml', import.meta.url).pathname;
const INIT = new URL('../../infra/compose-init', import.meta.url).pathname;
const IMAGES = ['api', 'scheduler', 'worker', 'cli'];

/** Settings of every project: the base images that infra/setup chose, and a driver that works with them. */
const BASES = {
  KILN_BASE_IMAGE: process.env.KILN_EXAMPLE_NODE_IMAGE ?? 'kiln.local/node:24',
  KILN_REDIS_IMAGE: process.env.KILN_REDIS_IMAGE ?? 'kiln.local/redis:1',
  KILN_TOOL_IMAGE: process.env.KILN_TOOL_IMAGE ?? 'kiln.local/tool:1',
  KILN_DRIVER: 'docker',
  KILN_ISOLATION: 'pool',
};

export type Settings = Readonly<Record<string, string>>;

/** Runs infra/compose-init. Returns its output. @throws Error with what it wrote to stderr */
export async function composeInit(...args: string[]): Promise<string> {
  const { stdout } = await run(INIT, args);
  return stdout;
}

/** The environment without Kiln's settings, which would override those of the `.env` file; and without attestations of the short-lived images. */
function bareEnv(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !/^(KILN|COMPOSE)_/.test(name));
  return { ...Object.fromEntries(others), BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };
}

/** Runs docker compose with infra/compose.yaml. Returns its output. @throws Error with what it wrote to stderr */
export async function compose(args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', ['compose', '-f', COMPOSE_FILE, ...args], { env: bareEnv() });
  return stdout;
}

/** A project of infra/compose.yaml on one machine, with its own name, ports and directories. */
export class ComposeProject implements AsyncDisposable {
  readonly name: string;
  readonly dir: string;
  readonly envFile: string;
  readonly #builtImages: readonly string[];

  private constructor(name: string, dir: string, builtImages: readonly string[]) {
    this.name = name;
    this.dir = dir;
    this.envFile = join(dir, '.env');
    this.#builtImages = builtImages;
  }

  /** Creates a pool and builds its images. The pool is not up yet. */
  static async pool(settings: Settings): Promise<ComposeProject> {
    const id = randomBytes(4).toString('hex');
    const prefix = `kiln-test-${id}/`;
    const project = await ComposeProject.#create(
      `kiln-test-${id}`,
      IMAGES.map((image) => `${prefix}${image}`),
      {
        ...BASES,
        KILN_IMAGE_PREFIX: prefix,
        // Makes the images' digests unique, so that the removal of another project's images does not remove these.
        KILN_REVISION: id,
        KILN_PORT: `${await freePort()}`,
        KILN_REDIS_PORT: `${await freePort()}`,
        ...settings,
      },
    );
    try {
      await composeInit('--env-file', project.envFile);
      await project.compose('--profile', 'pool', '--profile', 'cli', 'build', '--builder', 'default');
      return project;
    } catch (error) {
      await project[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Creates a further machine of this pool, which in the test is the same machine. */
  async furtherMachine(address: string, settings: Settings): Promise<ComposeProject> {
    const joining = await composeInit('--env-file', this.envFile, 'join', address);
    const images = { ...BASES, KILN_IMAGE_PREFIX: await this.setting('KILN_IMAGE_PREFIX') };
    const project = await ComposeProject.#create(`${this.name}-further`, [], { ...images, ...settings });
    await appendFile(project.envFile, joining);
    await composeInit('--env-file', project.envFile);
    return project;
  }

  static async #create(name: string, builtImages: readonly string[], settings: Settings): Promise<ComposeProject> {
    const dir = await mkdtemp(join(tmpdir(), `${name}-`));
    const project = new ComposeProject(name, dir, builtImages);
    const lines = Object.entries({ KILN_DATA_DIR: join(dir, 'data'), ...settings });
    await writeFile(project.envFile, lines.map(([key, value]) => `${key}=${value}\n`).join(''), { mode: 0o600 });
    return project;
  }

  #args(args: readonly string[]): string[] {
    return ['--project-name', this.name, '--env-file', this.envFile, ...args];
  }

  /** Runs docker compose for this project. Returns its output. @throws Error with what it wrote to stderr */
  compose(...args: string[]): Promise<string> {
    return compose(this.#args(args));
  }

  /** Runs the `cli` image with these arguments. Its working directory has these files, and is a clone of `remote`, if given. */
  async kiln(args: readonly string[], files: ContextFiles = {}, remote?: string): Promise<ManagedProcess> {
    const work = await mkdtemp(join(this.dir, 'work-'));
    if (remote !== undefined) {
      await run('git', ['init', '--quiet', work]);
      await run('git', ['-C', work, 'remote', 'add', 'origin', remote]);
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(work, name), content);
    // Runs as this user, who owns the files.
    const user = `${process.getuid?.()}:${process.getgid?.()}`;
    const inContainer = ['run', '--rm', '-T', '--no-deps', '--user', user, '-v', `${work}:/work:ro`, 'cli', ...args];
    const argv = ['compose', '-f', COMPOSE_FILE, ...this.#args(inContainer)];
    return new ManagedProcess(`kiln ${args[0]}`, 'docker', argv, bareEnv());
  }

  /**
   * Runs the command's image as a CI job would, with plain `docker run`, as a user that the image doesn't know. The working directory has these files.
   * @param dockerConfig content of the user's docker config, which is mounted
   */
  async ciJob(args: readonly string[], files: ContextFiles, dockerConfig: object): Promise<ManagedProcess> {
    const [work, config] = [await mkdtemp(join(this.dir, 'work-')), await mkdtemp(join(this.dir, 'config-'))];
    for (const [name, content] of Object.entries(files)) await writeFile(join(work, name), content);
    await writeFile(join(config, 'config.json'), JSON.stringify(dockerConfig));
    await Promise.all([work, config].map((dir) => chmod(dir, 0o755)));
    const { url } = await this.client();
    const env = { KILN_URL: url, KILN_TOKEN: await this.setting('KILN_TOKEN') };
    const mounts = ['-v', `${work}:/w`, '-w', '/w', '-v', `${config}:/docker:ro`, '-e', 'DOCKER_CONFIG=/docker'];
    const label = ['--label', `com.docker.compose.project=${this.name}`];
    const passed = Object.keys(env).flatMap((name) => ['-e', name]);
    const argv = [
      'run',
      '--rm',
      ...label,
      '--user',
      '54321:54321',
      ...mounts,
      ...passed,
      await this.image('cli'),
      ...args,
    ];
    return new ManagedProcess(`kiln ${args[0]}`, 'docker', argv, { ...bareEnv(), ...env });
  }

  /** The image of a service. */
  async image(service: string): Promise<string> {
    return `${await this.setting('KILN_IMAGE_PREFIX')}${service}:latest`;
  }

  async setting(name: string): Promise<string> {
    const text = await readFile(this.envFile, 'utf8');
    return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  }

  async client(): Promise<KilnClient> {
    const [host, port] = [(await this.setting('KILN_BIND')) || '127.0.0.1', await this.setting('KILN_PORT')];
    return new KilnClient({ url: `http://${host}:${port}`, token: await this.setting('KILN_TOKEN') });
  }

  /** Returns a field of `docker inspect` of a service's first container, which need not be running. */
  async inspect(service: string, format: string): Promise<string> {
    const id = (await this.compose('ps', '--all', '--quiet', service)).trim().split('\n')[0] ?? '';
    const { stdout } = await run('docker', ['inspect', '--format', format, id]);
    return stdout.trim();
  }

  /** Removes everything: containers, volumes, images, files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.compose('down', '--volumes', '--timeout', '20');
    // After a failed test there may be containers of `run`, which `down` does not remove.
    const label = `label=com.docker.compose.project=${this.name}`;
    const { stdout } = await run('docker', ['ps', '--all', '--quiet', '--filter', label]);
    const left = stdout.split('\n').filter((id) => id !== '');
    if (left.length > 0) await run('docker', ['rm', '--force', ...left]);
    await removeImages(this.#builtImages);
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** What `docker image ls` shows as an image's size, in MB. @throws Error if it isn't shown in MB */
export async function imageMegabytes(image: string): Promise<number> {
  const { stdout } = await run('docker', ['image', 'ls', '--format', '{{.Size}}', image]);
  const [, megabytes] = /^(\d+(?:\.\d+)?)MB\n$/.exec(stdout) ?? [];
  if (megabytes === undefined) throw new Error(`size of ${image}: got ${JSON.stringify(stdout)}, expected megabytes`);
  return Number(megabytes);
}

/** Returns the address by which containers reach this machine: the engine's own on its default network. */
export async function engineAddress(): Promise<string> {
  const format = '{{(index .IPAM.Config 0).Gateway}}';
  const { stdout } = await run('docker', ['network', 'inspect', 'bridge', '--format', format]);
  return stdout.trim();
}
