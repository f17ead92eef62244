import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GitServer } from '@kiln/git/testing';
import { expect, onTestFinished, test } from 'vitest';
import { command } from '../../support/command.ts';
import { KilnCommand } from '../../support/kiln-command.ts';
import { testDir } from './both.ts';
import type { SameLab } from './lab.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/toolbox', import.meta.url));
const BASE = process.env.KILN_EXAMPLE_GCC_IMAGE ?? 'kiln.local/gcc:bookworm';

const UPPER = await readFile(join(EXAMPLE, 'src/upper.c'), 'utf8');
/** Prints every letter as an exclamation mark. */
const LOUD = UPPER.replace("c - 'a' + 'A'", "'!'");

interface Built {
  /** Sources that make compiled. */
  readonly compiled: readonly string[];
  /** What `toolbox upper` prints for `ab`. */
  readonly upper: string;
  readonly log: string;
}

/** Makes a fresh clone for each build, as CI does: into another directory, with new times. */
class Clones {
  readonly #dir: string;
  readonly #url: string;
  #count = 0;

  constructor(dir: string, url: string) {
    this.#dir = dir;
    this.#url = url;
  }

  async fresh(commit: string): Promise<string> {
    this.#count += 1;
    const clone = join(this.#dir, `clone-${this.#count}`);
    await command('git', ['clone', '--quiet', this.#url, clone]);
    await command('git', ['checkout', '--quiet', '--detach', commit], { cwd: clone });
    return clone;
  }
}

/** Builds by this command, with a version that no other build has. @param dir an empty directory for what is built */
async function build(
  dir: string,
  run: (...args: string[]) => Promise<{ stderr: string }>,
  ...args: string[]
): Promise<Built> {
  const out = await mkdtemp(join(dir, 'out-'));
  const version = randomUUID();
  const flags = ['--progress=plain', `--build-arg=BASE=${BASE}`, `--build-arg=VERSION=${version}`];
  const { stderr: log } = await run('build', ...flags, `--output=type=local,dest=${out}`, ...args);
  expect(await readFile(join(out, 'version'), 'utf8')).toBe(`${version}\n`);
  const compiled = [...log.matchAll(/ compile (src\/\w+\.c)$/gm)].map(([, file = '']) => file).sort();
  const { stdout: upper } = await command('sh', ['-c', 'printf ab | "$0" upper', join(out, 'toolbox')]);
  return { compiled, upper, log };
}

/** A story of builds of fresh clones, in which make finds the times that the host keeps. */
export function freshCloneStories({ pool }: Pick<SameLab, 'pool'>): void {
  test('from a fresh clone, make compiles the files that have changed; with docker buildx build, all of them', async () => {
    const dir = await testDir();
    const server = await GitServer.start();
    onTestFinished(() => server[Symbol.asyncDispose]());
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));

    const files: Record<string, string> = {};
    for (const entry of await readdir(EXAMPLE, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !path.startsWith(join(EXAMPLE, 'build')))
        files[path.slice(EXAMPLE.length + 1)] = await readFile(path, 'utf8');
    }
    const all = Object.keys(files)
      .filter((path) => path.endsWith('.c'))
      .sort();
    expect(all).toHaveLength(20);
    const [a, b] = [server.commit(files), server.commit({ 'src/upper.c': LOUD })];
    const clones = new Clones(dir, server.url());
    const byKiln = (...args: string[]) => build(dir, kiln.run, ...args);
    const fromClone = async (commit: string, ...args: string[]) => byKiln(...args, await clones.fresh(commit));
    const fromGit = (commit: string, ...args: string[]) => byKiln(...args, `${server.url()}#${commit}`);

    expect(await fromClone(a), 'a cold build').toMatchObject({ compiled: all, upper: 'AB' });
    expect(await fromClone(a), 'nothing changed').toMatchObject({ compiled: [], upper: 'AB' });
    expect(await fromClone(b), 'one file changed').toMatchObject({ compiled: ['src/upper.c'], upper: '!!' });
    expect(await fromClone(a), 'the change taken back').toMatchObject({ compiled: ['src/upper.c'], upper: 'AB' });
    expect(await fromClone(b), 'and made again').toMatchObject({ compiled: ['src/upper.c'], upper: '!!' });

    const header = server.commit({ 'src/toolbox.h': `${files['src/toolbox.h']}/* new */\n` });
    expect(await fromClone(header), 'a header changed').toMatchObject({ compiled: all, upper: '!!' });

    // A git source has other names for contents, so after uploads all files get new times once.
    const first = await fromGit(header);
    expect(first, 'a commit').toMatchObject({ upper: '!!' });
    expect(first.log).not.toContain('BuildKit checks the commit out itself');
    expect(await fromGit(header), 'the same commit').toMatchObject({ compiled: [], upper: '!!' });
    const fixed = server.commit({ 'src/upper.c': UPPER, 'src/crc.c': `${files['src/crc.c']}/* new */\n` });
    const two = { compiled: ['src/crc.c', 'src/upper.c'], upper: 'AB' };
    expect(await fromGit(fixed), 'the next commit').toMatchObject(two);
    const loud = server.commit({ 'src/upper.c': LOUD });
    expect(await fromGit(loud), 'one more').toMatchObject({ compiled: ['src/upper.c'], upper: '!!' });
    expect(await fromGit(fixed), 'the one before').toMatchObject({ compiled: ['src/upper.c'], upper: 'AB' });
    expect(await fromClone(loud), 'a clone again').toMatchObject({ upper: '!!' });
    expect(await fromClone(loud), 'another clone').toMatchObject({ compiled: [], upper: '!!' });

    // The times of the clone itself, as without Kiln.
    const submitted = await fromClone(loud, '--mtimes=submitted');
    expect(submitted, 'submitted times').toMatchObject({ compiled: all, upper: '!!' });

    const namespace = `--build-arg=BUILDKIT_CACHE_MOUNT_NS=${randomUUID()}`;
    const buildx = (...args: string[]) => command('docker', ['buildx', '--builder', 'default', ...args]);
    for (const title of ['a cold build', 'nothing changed']) {
      const plain = await build(dir, buildx, namespace, await clones.fresh(a));
      expect(plain, `docker buildx build: ${title}`).toMatchObject({ compiled: all, upper: 'AB' });
    }
  }, 300_000);
}
