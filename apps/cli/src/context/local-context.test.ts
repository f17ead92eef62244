import { chmod, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTar } from '../testing/read-tar.ts';
import { TempDir } from '../testing/temp-dir.ts';
import { readLocalContext } from './local-context.ts';

const read = (dir: TempDir, more: { path?: string; dockerfile?: string; dockerfileText?: Uint8Array } = {}) =>
  readLocalContext({
    cwd: dir.path,
    path: more.path ?? '.',
    dockerfile: more.dockerfile,
    dockerfileText: more.dockerfileText,
  });

const names = async (dir: TempDir, more = {}) => (await read(dir, more)).entries.map(({ path }) => path);

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

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
    expect(await readTar(outside.pack())).toMatchObject([{ name: '.kiln.Dockerfile', text: 'FROM prod' }]);
    const piped = await read(dir, { path: 'ctx', dockerfileText: Buffer.from('FROM stdin') });
    expect(await readTar(piped.pack())).toMatchObject([
      { name: 'a' },
      { name: '.kiln.Dockerfile', text: 'FROM stdin' },
    ]);
  });

  it('keeps modes, times and links, but no owners', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', 'bin/run': '#!/bin/sh' });
    await chmod(join(dir.path, 'bin/run'), 0o4755);
    await utimes(join(dir.path, 'bin/run'), 1_700_000_000.75, 1_700_000_000.75);
    await symlink('../Dockerfile', join(dir.path, 'bin/link'));
    const entries = await readTar((await read(dir)).pack());
    expect(entries.find(({ name }) => name === 'bin/run')).toMatchObject({
      mode: 0o4755,
      uid: 0,
      mtimeMs: 1_700_000_000_000,
    });
    expect(entries.find(({ name }) => name === 'bin/link')).toMatchObject({
      type: 'symlink',
      linkname: '../Dockerfile',
    });
  });

  it('sends links that lead out of the context as links', async () => {
    await using dir = await TempDir.with({ Dockerfile: '', 'a/b': '' });
    await symlink('/etc/passwd', join(dir.path, 'a/abs'));
    await symlink('../../x', join(dir.path, 'a/up'));
    const links = (await readTar((await read(dir)).pack())).filter(({ type }) => type === 'symlink');
    expect(links).toMatchObject([{ linkname: '/etc/passwd' }, { linkname: '../../x' }]);
  });

  it('sends the target of a linked Dockerfile, whichever part of its path is the link', async () => {
    await using dir = await TempDir.with({ 'ctx/a': '', 'docker/Dockerfile': 'FROM linked' });
    await symlink('../docker', join(dir.path, 'ctx/docker'));
    await symlink('../docker/Dockerfile', join(dir.path, 'ctx/Dockerfile'));
    for (const dockerfile of ['ctx/docker/Dockerfile', 'ctx/Dockerfile']) {
      const context = await read(dir, { path: 'ctx', dockerfile });
      expect(context.dockerfile).toBe('.kiln.Dockerfile');
      expect(await readTar(context.pack())).toContainEqual(expect.objectContaining({ text: 'FROM linked' }));
    }
  });

  it('packs the same tree into the same tar, whatever the names and sizes', async () => {
    const long = `${'d/'.repeat(60)}${'ü'.repeat(100)}`;
    await using dir = await TempDir.with({
      Dockerfile: 'FROM x',
      [long]: 'deep',
      big: 'x'.repeat(3_000_001),
      empty: '',
    });
    const context = await read(dir);
    const [first, second] = [await bytesOf(context.pack()), await bytesOf((await read(dir)).pack())];
    expect(first.equals(second)).toBe(true);
    const entries = await readTar([first]);
    expect(entries.find(({ name }) => name === long)?.text).toBe('deep');
    expect(entries.find(({ name }) => name === 'big')?.text).toHaveLength(3_000_001);
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
    ['a missing context', { path: 'nope' }, 'the build context "nope" doesn\'t exist'],
    ['a file as context', { path: 'Dockerfile' }, 'is not a directory; for a Dockerfile use -f Dockerfile'],
    ['a missing Dockerfile', { path: 'sub' }, 'no Dockerfile in "sub"; name another one with -f FILE'],
    ['a missing -f', { dockerfile: 'X' }, 'the Dockerfile "X" doesn\'t exist'],
    ['an -f relative to the context', { path: 'sub', dockerfile: 'D' }, 'did you mean -f sub/D?'],
  ])('%s', async (_what, input, message) => {
    await using dir = await TempDir.with({ Dockerfile: '', 'sub/D': '' });
    await expect(read(dir, input)).rejects.toThrow(message);
  });

  it('a file that shrinks while it is sent', async () => {
    await using dir = await TempDir.with({ Dockerfile: '', big: 'x'.repeat(600_000), small: 'abc' });
    const context = await read(dir);
    await writeFile(join(dir.path, 'small'), 'a');
    await expect(bytesOf(context.pack())).rejects.toThrow('small shrank');
    await writeFile(join(dir.path, 'small'), 'abcdef');
    await truncate(join(dir.path, 'big'), 10);
    await expect(bytesOf(context.pack())).rejects.toThrow('big shrank');
  });
});

function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll('/', '\0')), Buffer.from(b.replaceAll('/', '\0')));
}
