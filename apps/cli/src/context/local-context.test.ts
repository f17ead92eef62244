import { execFile } from 'node:child_process';
import { chmod, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { storedEntries } from '../testing/send-to.ts';
import { TempDir } from '../testing/temp-dir.ts';
import { readLocalContext } from './local-context.ts';

const read = (dir: TempDir, more: { path?: string; dockerfile?: string; dockerfileText?: Uint8Array } = {}) =>
  readLocalContext({
    cwd: dir.path,
    path: more.path ?? '.',
    dockerfile: more.dockerfile,
    dockerfileText: more.dockerfileText,
  });

const sent = async (dir: TempDir, more = {}) => storedEntries(await read(dir, more));
const names = async (dir: TempDir, more = {}) => (await sent(dir, more)).map(({ path }) => path);

describe('readLocalContext', () => {
  it('sorts entries by bytes, directories before their contents', async () => {
    await using dir = await TempDir.with({
      Dockerfile: '',
      'b/z': '',
      'b.txt': '',
      'a/é': '',
      'a/z': '',
      'empty/': '',
    });
    expect(await names(dir)).toEqual(
      ['Dockerfile', 'a', 'a/z', 'a/é', 'b', 'b/z', 'b.txt', 'empty'].sort((x, y) => order(x, y)),
    );
  });

  it('always includes the Dockerfile and the ignore files', async () => {
    await using dir = await TempDir.with({ Dockerfile: '', '.dockerignore': '**', 'a/b': '' });
    expect(await names(dir)).toEqual(['.dockerignore', 'Dockerfile']);
    await using deep = await TempDir.with({ 'docker/Dockerfile.ci': '', '.dockerignore': 'docker', 'docker/x': '' });
    expect(await names(deep, { dockerfile: 'docker/Dockerfile.ci' })).toEqual([
      '.dockerignore',
      'docker',
      'docker/Dockerfile.ci',
    ]);
  });

  it('takes the file dockerfile where there is no Dockerfile', async () => {
    await using lower = await TempDir.with({ dockerfile: '', '.dockerignore': '**' });
    expect(await names(lower)).toEqual(['.dockerignore', 'dockerfile']);
    await using both = await TempDir.with({ dockerfile: '', Dockerfile: '', '.dockerignore': '**' });
    expect(await names(both)).toEqual(['.dockerignore', 'Dockerfile']);
  });

  it('prefers the Dockerfile’s own ignore file over that of the context', async () => {
    await using dir = await TempDir.with({ 'D.x': '', 'D.x.dockerignore': 'a', '.dockerignore': 'b', a: '', b: '' });
    expect(await names(dir, { dockerfile: 'D.x' })).toEqual(['.dockerignore', 'D.x', 'D.x.dockerignore', 'b']);
  });

  it('includes an ignored directory only with the exceptions in it', async () => {
    await using dir = await TempDir.with({
      Dockerfile: '',
      '.dockerignore': '*\n!a/b/c',
      'a/b/c': '',
      'a/x': '',
      'd/e': '',
    });
    expect(await names(dir)).toEqual(['.dockerignore', 'Dockerfile', 'a', 'a/b', 'a/b/c']);
  });

  it('adds a Dockerfile from outside the context or from standard input', async () => {
    await using dir = await TempDir.with({ 'ctx/a': '', 'D.prod': 'FROM prod', 'D.prod.dockerignore': 'a' });
    const outside = await read(dir, { path: 'ctx', dockerfile: 'D.prod' });
    expect(outside.dockerfile).toBe('.kiln.Dockerfile');
    expect(await storedEntries(outside)).toMatchObject([{ path: '.kiln.Dockerfile', text: 'FROM prod' }]);
    const piped = await read(dir, { path: 'ctx', dockerfileText: Buffer.from('FROM stdin') });
    expect(await storedEntries(piped)).toMatchObject([{ path: '.kiln.Dockerfile', text: 'FROM stdin' }, { path: 'a' }]);
  });

  it('keeps modes and links, also those that lead out of the context, and sends hard links as files', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', 'bin/run': '#!/bin/sh' });
    await chmod(join(dir.path, 'bin/run'), 0o4755);
    await chmod(join(dir.path, 'bin'), 0o1711);
    await link(join(dir.path, 'bin/run'), join(dir.path, 'bin/same'));
    await symlink('../Dockerfile', join(dir.path, 'in'));
    await symlink('/etc/passwd', join(dir.path, 'out'));
    expect((await sent(dir)).slice(1)).toEqual([
      { path: 'bin', type: 'directory', mode: 0o1711 },
      { path: 'bin/run', type: 'file', mode: 0o4755, text: '#!/bin/sh' },
      { path: 'bin/same', type: 'file', mode: 0o4755, text: '#!/bin/sh' },
      { path: 'in', type: 'symlink', text: '../Dockerfile' },
      { path: 'out', type: 'symlink', text: '/etc/passwd' },
    ]);
  });

  it('sends names in any bytes, and matches ignore patterns with those in UTF-8', async () => {
    await using dir = await TempDir.with({
      Dockerfile: '',
      'line\nbreak': '1',
      'ü/ignored': '',
      'ü/ä': '2',
      'e\u0301': '3',
    });
    await writeFile(join(dir.path, '.dockerignore'), 'ü/ignored');
    const odd = Buffer.concat([Buffer.from(`${dir.path}/`), Buffer.of(0xff, 0x41)]);
    await mkdir(odd);
    await writeFile(Buffer.concat([odd, Buffer.from('/in')]), '4');
    const { tree } = await read(dir);
    expect(tree.children.map(({ name }) => name)).toContain('\xffA');
    expect((await sent(dir)).filter(({ type }) => type === 'file').map(({ path, text }) => [path, text])).toEqual([
      ['.dockerignore', 'ü/ignored'],
      ['Dockerfile', ''],
      ['e\u0301', '3'],
      ['line\nbreak', '1'],
      ['ü/ä', '2'],
      ['\ufffdA/in', '4'],
    ]);
  });

  it('sends the target of a linked Dockerfile, whichever part of its path is the link', async () => {
    await using dir = await TempDir.with({ 'ctx/a': '', 'docker/Dockerfile': 'FROM linked' });
    await symlink('../docker', join(dir.path, 'ctx/docker'));
    await symlink('../docker/Dockerfile', join(dir.path, 'ctx/Dockerfile'));
    for (const dockerfile of ['ctx/docker/Dockerfile', 'ctx/Dockerfile']) {
      const context = await read(dir, { path: 'ctx', dockerfile });
      expect(context.dockerfile).toBe('.kiln.Dockerfile');
      expect(await storedEntries(context)).toContainEqual(expect.objectContaining({ text: 'FROM linked' }));
    }
  });

  it('skips sockets and reports them', async () => {
    await using dir = await TempDir.with({ Dockerfile: '' });
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(dir.path, 'sock'), resolve);
    });
    expect((await read(dir)).skipped).toEqual(['sock']);
    server.close();
  });
});

describe('readLocalContext refuses', () => {
  it.each([
    ['a missing context', { path: 'nope' }, 'unable to prepare context: path "nope" not found'],
    ['a file as context', { path: 'Dockerfile' }, 'is not a directory; for a Dockerfile use -f Dockerfile'],
    [
      'a missing Dockerfile',
      { path: 'sub' },
      'failed to read dockerfile: open Dockerfile: no such file or directory in "sub"; name another one with -f FILE',
    ],
    ['a missing -f', { dockerfile: 'X' }, 'the Dockerfile "X" doesn\'t exist'],
    ['an -f relative to the context', { path: 'sub', dockerfile: 'D' }, 'did you mean -f sub/D?'],
  ])('%s', async (_what, input, message) => {
    await using dir = await TempDir.with({ Dockerfile: '', 'sub/D': '' });
    await expect(read(dir, input)).rejects.toThrow(message);
  });

  it('a directory that it may not read', async () => {
    await using dir = await TempDir.with({ Dockerfile: '', 'secret/x': '' });
    await chmod(dir.path, 0o755);
    await chmod(join(dir.path, 'secret'), 0);
    const module = JSON.stringify(join(import.meta.dirname, 'local-context.ts'));
    const script = `
      const { readLocalContext } = await import(${module});
      await readLocalContext({ cwd: ${JSON.stringify(dir.path)}, path: '.', dockerfile: undefined }).catch(({ message }) => console.log(message));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, HOME: dir.path, XDG_CACHE_HOME: dir.path },
      // Root may read everything.
      ...(process.getuid?.() === 0 && { uid: 10_001, gid: 10_001 }),
    });
    expect(stdout).toContain("/secret: permission denied; if the build doesn't need it, add it to");
    await chmod(join(dir.path, 'secret'), 0o755);
  });
});

function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')));
}
