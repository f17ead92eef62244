import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { GitServer } from '@kiln/git/testing';
import { pack } from 'tar-stream';
import { expect, onTestFinished, test } from 'vitest';
import { command } from '../../support/command.ts';
import { KilnCommand } from '../../support/kiln-command.ts';
import { layerOf } from '../../support/layer.ts';
import type { Pool } from '../../support/pool/pool.ts';
import { testDir } from './both.ts';
import type { SameLab } from './lab.ts';

const DOCKERFILE = 'FROM scratch\nCOPY . /\n';

const latin1 = (name: string) => Buffer.from(name, 'latin1');
const ODD_NAMES = [
  ...[
    'new\nline',
    'tab\tx',
    'sp  ace',
    " quo'te",
    'dq"x',
    'back\\slash',
    '-dash',
    '..x',
    'C:notes',
    '*',
    '$x',
    '日本語',
  ],
  // Two spellings of é; neither is the other.
  ...['e\u0301', '\u00e9', 'n'.repeat(255)],
];
const DEEP = ['deep', ...Array.from({ length: 4 }, (_, i) => `${i}`.padEnd(180, 'd'))].join('/');

/** Writes what git can keep, too. */
async function writePlain(dir: string): Promise<void> {
  const at = (name: string | Buffer) => Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
  await mkdir(join(dir, 'odd'), { recursive: true });
  await mkdir(join(dir, DEEP), { recursive: true });
  const files: [string | Buffer, string | Buffer][] = [
    ['Dockerfile', DOCKERFILE],
    ['empty', ''],
    ['large', Buffer.alloc(300_000, 'large')],
    [`${DEEP}/file`, 'deep'],
    ...ODD_NAMES.map((name): [Buffer, Buffer] => [
      Buffer.concat([latin1('odd/'), Buffer.from(name)]),
      Buffer.from(name),
    ]),
  ];
  for (const [name, content] of files) await writeFile(at(name), content);
  await writeFile(at('run'), '#!/bin/sh\n');
  await chmod(at('run'), 0o755);
  const links = [
    ['in', 'empty'],
    ['to-directory', 'deep'],
    ['dangling', 'gone'],
    ['out', '/etc/passwd'],
    ['up', '../../../../../etc/passwd'],
    ['deep/up', '../odd'],
    ['long-link', 't'.repeat(1000)],
    ['odd/link', 'two\nlines'],
  ] as const;
  for (const [name, target] of links) await symlink(target, at(name));
}

/** Writes what only directories and tars have. */
async function writeRest(dir: string): Promise<void> {
  await writeFile(join(dir, '.dockerignore'), 'ignored*\n!ignored-not\n');
  for (const name of ['ignored', 'ignored-not']) await writeFile(join(dir, name), name);
  await mkdir(join(dir, 'nothing/in/here'), { recursive: true });
  for (const mode of ['0400', '0600', '0644', '0664', '0666', '0755', '2755', '4755'])
    await withMode(join(dir, `f${mode}`), mode, (path) => writeFile(path, mode));
  for (const mode of ['0500', '0700', '0770', '0777', '1777', '2755'])
    await withMode(join(dir, `d${mode}`), mode, async (path) => {
      await mkdir(path);
      await writeFile(join(path, 'x'), mode);
    });
  // Times that no build would give.
  const old = ['-h', '-d', '2001-02-03T04:05:06Z'];
  await command('touch', [...old, 'in', 'run', 'f0400'], { cwd: dir });
}

/** Writes names that aren't UTF-8, which Kiln refuses in a tar. */
async function writeBytes(dir: string): Promise<void> {
  const name = Buffer.concat([Buffer.from(`${dir}/odd/`), latin1('caf\xe9')]);
  await writeFile(name, 'Latin-1');
  await symlink(latin1('caf\xe9'), join(dir, 'odd/bytes'));
}

async function writeHardLink(dir: string): Promise<void> {
  await mkdir(join(dir, 'hard'));
  await writeFile(join(dir, 'hard/a'), 'one file, two names');
  await link(join(dir, 'hard/a'), join(dir, 'hard/b'));
}

/** Regardless of the umask. */
async function withMode(path: string, mode: string, make: (path: string) => Promise<void>): Promise<void> {
  await make(path);
  await chmod(path, Number.parseInt(mode, 8));
}

async function byBuildx(file: string, context: string): Promise<string> {
  const flags = ['--builder', 'default', 'build', '--no-cache', `--output=type=tar,dest=${file}`];
  await command('docker', ['buildx', ...flags, context]);
  return file;
}

async function byKiln(file: string, kiln: KilnCommand, ...args: string[]): Promise<string> {
  const { stderr } = await kiln.run('build', '--no-cache', `--output=type=tar,dest=${file}`, ...args);
  expect(stderr).not.toContain('BuildKit checks the commit out itself');
  return file;
}

/** As with curl: the context is a tar. */
async function byTar(file: string, pool: Pool, tar: string): Promise<string> {
  const { client } = pool;
  const { id } = await client.submit(
    {
      ...{ source: { type: 'upload', name: randomUUID() }, noCache: true },
      ...{ output: { type: 'artifact' }, mtimes: 'submitted' },
    },
    { context: { repeatable: true, open: () => createReadStream(tar) } },
  );
  expect(await pool.end(id)).toMatchObject({ state: 'succeeded' });
  await pipeline(Readable.from((await client.artifact(id)).body), createWriteStream(file));
  return file;
}

/** Makes an image of one file; returns its tag. */
async function tinyImage({ images }: Pick<SameLab, 'images'>, dir: string): Promise<string> {
  const tag = `kiln.local/tiny:${randomUUID().slice(0, 8)}`;
  await mkdir(dir);
  await writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /of-image\n');
  await command('docker', ['buildx', '--builder', 'default', 'build', '--load', '--tag', tag, dir]);
  images.add(tag);
  return tag;
}

/** Writes an image as an OCI layout; returns the digest of its manifest. */
async function writeLayout(dir: string, image: string): Promise<string> {
  await mkdir(dir);
  await command('sh', ['-c', 'docker save "$0" | tar --extract --directory "$1"', image, dir]);
  const index = JSON.parse(await readFile(join(dir, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
  return index.manifests[0]?.digest ?? '';
}

/** Makes a repository with one file in a directory; returns its URL. */
async function repositoryOf(dir: string): Promise<string> {
  const server = await GitServer.start();
  onTestFinished(() => server[Symbol.asyncDispose]());
  await mkdir(join(dir, 'sub'), { recursive: true });
  await writeFile(join(dir, 'sub/of-commit'), 'commit');
  const git = (...args: string[]) =>
    command('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: dir });
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=one');
  await git('push', '--quiet', join(server.root, 'app.git'), 'HEAD:refs/heads/main');
  return server.url();
}

/** Stories of build contexts: directories, tars, commits and named ones. */
export function contextStories({ pool, images }: SameLab): void {
  test('a directory, a tar of it, and docker buildx build give the same layer, with its times', async () => {
    const dir = await testDir();
    const context = join(dir, 'context');
    await writePlain(context);
    await writeRest(context);
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));
    const tar = join(dir, 'context.tar');
    await command('tar', ['--create', '--format=posix', '--file', tar, '--directory', context, '.']);

    const expected = await layerOf(await byBuildx(join(dir, 'buildx'), context), { times: true });
    const old = expected.filter((line) => line.includes('2001-02-03 04:05:06')).map((line) => line.replace(/^.* /, ''));
    expect(old).toEqual(['f0400', 'run', 'in']);
    expect(expected.join('\n')).toMatch(/^drwxrwxrwt .* d1777\/$/m);
    const submitted = ['--mtimes=submitted', '--repo', randomUUID(), context];
    expect(await layerOf(await byKiln(join(dir, 'tree'), kiln, ...submitted), { times: true })).toEqual(expected);
    expect(await layerOf(await byTar(join(dir, 'tar'), pool(), tar), { times: true })).toEqual(expected);
    // Stable times are the host's. BuildKit doesn't keep those of hard links reliably.
    await writeBytes(context);
    await writeHardLink(context);
    const untimed = await layerOf(await byBuildx(join(dir, 'untimed'), context), { times: false });
    const stable = await byKiln(join(dir, 'stable'), kiln, '--repo', randomUUID(), context);
    expect(await layerOf(stable, { times: false })).toEqual(untimed);
    expect(await readFile(stable)).not.toEqual(await readFile(join(dir, 'untimed')));
  });

  test('a commit, a checkout of it, and docker buildx build of either give the same layer', async () => {
    const dir = await testDir();
    const server = await GitServer.start();
    onTestFinished(() => server[Symbol.asyncDispose]());
    const [work, context] = [join(dir, 'work'), join(dir, 'context')];
    await writePlain(work);
    await writeBytes(work);
    const git = (...args: string[]) =>
      command('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: work });
    await git('init', '--quiet');
    await git('add', '--all');
    await git('commit', '--quiet', '--message=all');
    await git('push', '--quiet', join(server.root, 'app.git'), 'HEAD:refs/heads/main');
    const commit = (await git('rev-parse', 'HEAD')).stdout.trim();
    await command('sh', ['-c', 'umask 022; git clone --quiet "$0" "$1"', server.url(), context]);
    await rm(join(context, '.git'), { recursive: true });
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));

    const url = `${server.url()}#${commit}`;
    const expected = await layerOf(await byBuildx(join(dir, 'buildx'), context), { times: false });
    expect(expected.length).toBeGreaterThan(ODD_NAMES.length + 15);
    const layers = {
      'buildx, commit': await byBuildx(join(dir, 'buildx-commit'), url),
      'kiln, checkout': await byKiln(join(dir, 'tree'), kiln, '--repo', randomUUID(), context),
      'kiln, commit': await byKiln(join(dir, 'commit'), kiln, url),
    };
    for (const [title, file] of Object.entries(layers))
      expect(await layerOf(file, { times: false }), title).toEqual(expected);

    // A Dockerfile from elsewhere, which only standard input can give for a commit.
    const own = 'FROM scratch\nCOPY run /only\n';
    const flags = ['--no-cache', '--file=-'];
    const file = join(dir, 'own');
    await kiln.pipe(own, 'build', ...flags, `--output=type=tar,dest=${file}`, url);
    const args = ['buildx', '--builder', 'default', 'build', ...flags, `--output=type=tar,dest=${file}-buildx`, url];
    await command('docker', args, { input: own });
    expect(await layerOf(file, { times: false })).toEqual(await layerOf(`${file}-buildx`, { times: false }));
  });

  test('named contexts (a directory, a commit, an image, an OCI layout) give the same layers as with docker buildx build', async () => {
    const dir = await testDir();
    const [context, lib] = [join(dir, 'context'), join(dir, 'lib')];
    await mkdir(context);
    await writePlain(lib);
    await writeRest(lib);
    const image = await tinyImage({ images }, join(dir, 'image'));
    const digest = await writeLayout(join(dir, 'layout'), image);
    const copies = ['lib', 'src', 'img', 'layout', 'stage'].map((name) => `COPY --from=${name} . /${name}/`);
    await writeFile(
      join(context, 'Dockerfile'),
      ['FROM scratch AS stage', 'COPY nothing /', 'FROM scratch', ...copies].join('\n'),
    );
    const named = [
      ...[`lib=${lib}`, `src=${await repositoryOf(join(dir, 'work'))}#main:sub`, `img=docker-image://${image}`],
      ...[`layout=oci-layout://${join(dir, 'layout')}@${digest}`, `stage=${join(dir, 'image')}`],
    ].flatMap((value) => ['--build-context', value]);
    const flags = ['--builder', 'default', 'build', '--no-cache', `--output=type=tar,dest=${join(dir, 'buildx')}`];
    await command('docker', ['buildx', ...flags, ...named, context]);
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));
    const repo = randomUUID();
    const build = (file: string) =>
      kiln.run('build', '--no-cache', '--repo', repo, `--output=type=tar,dest=${file}`, ...named, context);
    expect((await build(join(dir, 'kiln'))).stderr).toMatch(/lib: \d+ files, .*kB; .* sent/);

    const expected = await layerOf(join(dir, 'buildx'), { times: true });
    const names = expected.map((line) => line.split(' ').at(-1));
    expect(names).toEqual(
      expect.arrayContaining(['img/of-image', 'layout/of-image', 'lib/f4755', 'src/of-commit', 'stage/Dockerfile']),
    );
    expect(names).not.toContain('lib/ignored');
    const withoutCommit = (lines: readonly string[]) => lines.filter((line) => !line.includes(' src/'));
    expect(withoutCommit(await layerOf(join(dir, 'kiln'), { times: true }))).toEqual(withoutCommit(expected));

    const again = await build(join(dir, 'again'));
    expect(again.stderr).toMatch(/lib: \d+ files, .*; nothing to send/);
    const missing = kiln.run('build', '--build-context', `lib=${join(dir, 'gone')}`, context);
    await expect(missing).rejects.toThrow(/--build-context lib=…: .*\/gone doesn't exist/);
  });

  test('a file that its owner may not read is refused by name, rather than empty in the image', async () => {
    const tar = pack();
    tar.entry({ name: 'Dockerfile' }, DOCKERFILE);
    tar.entry({ name: 'bin/sudo', mode: 0o4111 }, 'content');
    tar.finalize();
    const bytes = await buffer(tar);
    const { id } = await pool().client.submit(
      { source: { type: 'upload', name: randomUUID() } },
      { context: { repeatable: true, open: () => Readable.from([bytes]) } },
    );
    expect(await pool().end(id)).toMatchObject({
      state: 'failed',
      failure: {
        code: 'context_invalid',
        message: expect.stringContaining('"bin/sudo": got mode 4111, expected a file that its owner may read'),
      },
    });
  });
}
