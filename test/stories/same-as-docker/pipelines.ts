import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PrivateRegistry, smallRoot, startPrivateRegistry } from '@kiln/buildkit/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { cliOfRun } from '../../../apps/cli/src/testing/cli-of-run.ts';
import { command } from '../../support/command.ts';
import type { Pool } from '../../support/pool/pool.ts';
import type { SameLab } from './lab.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/pipelines/', import.meta.url));
const VERSION = '1.0';
const COMMIT = '5f0c1e2b7a9d4c3e8f6a1b0d2c4e6f8a0b1c2d3e';
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Where docker pushes, and where Kiln does. */
let registries: readonly [PrivateRegistry, PrivateRegistry];
let dir: string;
/** A base image of a few megabytes: each of the images is pushed as a whole. */
const base = `kiln.local/pipelines-${process.pid}:1`;

interface Manifest {
  readonly config?: { readonly digest: string };
  readonly manifests?: readonly { readonly digest: string; readonly platform: { readonly architecture: string } }[];
}
interface ImageConfig {
  readonly config: { readonly Labels?: Readonly<Record<string, string>> };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

/** Reads what an image is from the registry: its configuration and the digests of its layers' contents. */
async function imageAt(registry: PrivateRegistry, image: string): Promise<Pick<ImageConfig, 'config' | 'rootfs'>> {
  const [name, tag] = image.split(':');
  const authorization = `Basic ${Buffer.from(`${registry.username}:${registry.password}`).toString('base64')}`;
  const get = async (path: string) => {
    const url = `http://${registry.host}/v2/${name}/${path}`;
    const answer = await fetch(url, { headers: { authorization, accept: MANIFESTS } });
    if (!answer.ok) throw new Error(`got ${answer.status} for ${url}: ${await answer.text()}`);
    return await answer.json();
  };
  const top = (await get(`manifests/${tag}`)) as Manifest;
  const native = top.manifests?.find(({ platform }) => platform.architecture === 'amd64');
  const { config } = native ? ((await get(`manifests/${native.digest}`)) as Manifest) : top;
  const is = (await get(`blobs/${config?.digest}`)) as ImageConfig;
  // Compose's own, which are no part of what the file says.
  const labels = Object.entries(is.config.Labels ?? {}).filter(([label]) => !label.startsWith('com.docker.compose.'));
  return { config: { ...is.config, Labels: Object.fromEntries(labels) }, rootfs: is.rootfs };
}

/** Logs in as a job on a machine of its own does, so that the login is in the job's own configuration alone. */
class Job {
  readonly cwd: string;
  readonly #home: string;
  readonly #pool: Pool;

  private constructor(pool: Pool, home: string) {
    this.#pool = pool;
    this.#home = home;
    this.cwd = join(home, 'checkout');
  }

  static async start(pool: Pool, name: string): Promise<Job> {
    const job = new Job(pool, join(dir, name));
    await cp(EXAMPLE, job.cwd, { recursive: true });
    return job;
  }

  read = (file: string) => readFile(join(this.cwd, file), 'utf8');

  /** Changes one line of a file. @throws Error unless it holds `from` once */
  async change(file: string, from: string, to: string): Promise<void> {
    const before = await this.read(file);
    if (before.split(from).length !== 2) throw new Error(`got ${file} with other than one of: ${from}`);
    await writeFile(
      join(this.cwd, file),
      before.replace(from, () => to),
    );
  }

  async run(script: string, env: Record<string, string>): Promise<void> {
    await command('sh', ['-euc', script], {
      cwd: this.cwd,
      env: {
        ...this.#pool.clientEnv,
        ...{ HOME: this.#home, XDG_CACHE_HOME: join(this.#home, '.cache'), NO_COLOR: '1' },
        PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
        BASE: base,
        ...env,
      },
    });
  }
}

interface Pipeline {
  readonly file: string;
  /** What the one line has instead of docker's command. */
  readonly line: readonly [docker: string, kiln: string];
  /** Images that it pushes: `name:tag`. */
  readonly images: readonly string[];
  /** Runs what the file's runner does for it. */
  run(job: Job, registry: PrivateRegistry): Promise<void>;
}

const BUILD = ['docker buildx build', 'kiln build'] as const;
/** Variables that CI systems set from their secrets. */
const secrets = ({ host, username, password }: PrivateRegistry) => ({
  REGISTRY: host,
  REGISTRY_USERNAME: username,
  REGISTRY_PASSWORD: password,
});

const PIPELINES: Record<string, Pipeline> = {
  'a step of GitHub Actions, as its shell equivalent': {
    file: 'build-push.sh',
    line: BUILD,
    images: [`acme/app:${VERSION}`, 'acme/app:latest'],
    async run(job, registry) {
      const [outputs, temp] = [join(job.cwd, '../outputs'), join(job.cwd, '../runner')];
      await mkdir(temp);
      await job.run('./build-push.sh', {
        ...secrets(registry),
        ...{ GITHUB_REF_NAME: VERSION, GITHUB_REPOSITORY: 'acme/app', GITHUB_SERVER_URL: 'https://git.example.com' },
        ...{ GITHUB_SHA: COMMIT, GITHUB_OUTPUT: outputs, RUNNER_TEMP: temp },
      });
      const { 'containerimage.digest': digest } = JSON.parse(await readFile(join(temp, 'metadata.json'), 'utf8'));
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await readFile(outputs, 'utf8')).toMatch(/^imageid=sha256:[0-9a-f]{64}\n$/);
    },
  },
  'a job of GitLab': {
    file: '.gitlab-ci.yml',
    line: BUILD,
    images: [`gitlab/app:${COMMIT.slice(0, 8)}`, 'gitlab/app:latest'],
    async run(job, registry) {
      const { image } = parse(await job.read('.gitlab-ci.yml'));
      await job.run([...image.before_script, ...image.script].join('\n'), {
        ...{ CI_REGISTRY: registry.host, CI_REGISTRY_USER: registry.username },
        ...{ CI_REGISTRY_PASSWORD: registry.password, CI_REGISTRY_IMAGE: `${registry.host}/gitlab/app` },
        ...{ CI_COMMIT_TAG: VERSION, CI_COMMIT_SHORT_SHA: COMMIT.slice(0, 8) },
      });
    },
  },
  'a step of Woodpecker': {
    file: '.woodpecker.yaml',
    line: BUILD,
    images: [`wood/app/worker:${VERSION}`],
    async run(job, registry) {
      const { steps } = parse(await job.read('.woodpecker.yaml'));
      await job.run(steps[0].commands.join('\n'), {
        ...secrets(registry),
        CI_REPO: 'wood/app',
        CI_COMMIT_TAG: VERSION,
      });
    },
  },
  'a Makefile, which loads the image and pushes it by docker': {
    file: 'Makefile',
    line: BUILD,
    images: [`make/app:${VERSION}`],
    run: (job, registry) =>
      job.run(
        [
          'echo "$REGISTRY_PASSWORD" | docker login -u "$REGISTRY_USERNAME" --password-stdin "$REGISTRY"',
          `make push VERSION=${VERSION}`,
        ].join('\n'),
        secrets(registry),
      ),
  },
  'a bake file with linked targets': {
    file: 'bake.sh',
    line: ['docker buildx bake', 'kiln bake'],
    images: [`bake/web:${VERSION}`, `bake/app:${VERSION}-runtime`, `bake/app:${VERSION}-worker`],
    async run(job, registry) {
      await job.run('./bake.sh', { ...secrets(registry), VERSION });
      const metadata = JSON.parse(await job.read('bake-metadata.json'));
      const digest = { 'containerimage.digest': expect.stringMatching(/^sha256:[0-9a-f]{64}$/) };
      expect(metadata).toMatchObject({ web: digest, 'app-runtime': digest, 'app-worker': digest });
    },
  },
  'a Compose file with two services': {
    file: 'compose.sh',
    line: ['docker compose build', 'kiln compose build'],
    images: [`compose/app:${VERSION}`, `compose/worker:${VERSION}`],
    run: (job, registry) => job.run('./compose.sh', { ...secrets(registry), VERSION }),
  },
};

/** Repeats what docker does: the registry may answer 500 for a tag that it is just storing, and Compose pushes each image twice. */
async function despiteRegistry<T>(run: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run(tries);
    } catch (error) {
      if (tries === 3 || !String(error).includes('500 Internal Server Error')) throw error;
    }
  }
}

/** Stories of pipelines for docker in which one line is changed. */
export function pipelineStories({ pool, images }: SameLab): void {
  beforeAll(async () => {
    registries = await Promise.all([startPrivateRegistry(), startPrivateRegistry()]);
    dir = await mkdtemp(join(tmpdir(), 'kiln-pipelines-'));
    await writeFile(join(dir, 'root.tar'), await smallRoot(['/bin/cp', '/usr/bin/tr']));
    images.add(base);
    await command('docker', ['import', '--change', 'CMD ["sh"]', join(dir, 'root.tar'), base]);
    await mkdir(join(dir, 'bin'));
    const kiln = `#!/bin/sh\nexec '${process.execPath}' '${await cliOfRun()}' "$@"\n`;
    await writeFile(join(dir, 'bin/kiln'), kiln, { mode: 0o755 });
  });
  afterAll(async () => {
    await Promise.all((registries ?? []).map((registry) => registry[Symbol.asyncDispose]()));
    await rm(dir, { recursive: true, force: true });
  });

  test.each(Object.entries(PIPELINES))(
    '%s pushes the same images after a change of one line',
    async (name, pipeline) => {
      const number = Object.keys(PIPELINES).indexOf(name);
      const run = async (registry: PrivateRegistry, [from, to]: readonly [string, string], tries = 1) => {
        const job = await Job.start(pool(), `${number}-${to.replaceAll(' ', '-')}-${tries}`);
        await job.change(pipeline.file, from, to);
        for (const image of pipeline.images) images.add(`${registry.host}/${image}`);
        await pipeline.run(job, registry);
        return await Promise.all(pipeline.images.map((image) => imageAt(registry, image)));
      };
      const [docker, kiln] = pipeline.line;
      const made = await despiteRegistry((tries) => run(registries[0], [docker, docker], tries));
      expect(await run(registries[1], [docker, kiln])).toEqual(made);
    },
  );
}
