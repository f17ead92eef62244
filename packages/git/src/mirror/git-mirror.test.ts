import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowedHosts, OutgoingGuard } from '@kiln/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitServer } from '../testing/git-server.ts';
import { GitMirror } from './git-mirror.ts';
import type { CommitFile, MirroredCommit } from './mirrored-commit.ts';

const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const LIMITS = { timeoutMs: 60_000, maxFetchBytes: 64 * 1024 * 1024, guard };
const { signal } = new AbortController();

let server: GitServer;
let dir: string;
let mirror: GitMirror;
beforeEach(async () => {
  server = await GitServer.start();
  dir = await mkdtemp(join(tmpdir(), 'kiln-mirror-'));
  mirror = new GitMirror(dir, LIMITS);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const open = (commit: string, path?: string) =>
  mirror.commit({ url: server.url(path), ref: commit, credentials: { user: 'x', token: server.token } }, signal);

async function files(commit: MirroredCommit): Promise<Record<string, string>> {
  const wanted = commit.entries.filter(({ type }) => type === 'file' || type === 'executable');
  if (commit.attributes === undefined) return await textsOf(commit.contents(wanted));
  await using out = await commit.checkOut(wanted);
  const found = await textsOf(out.contents(wanted));
  for (const [path, size] of out.sizes) expect(Buffer.byteLength(found[path] ?? '')).toBe(size);
  return found;
}

async function textsOf(read: AsyncIterable<CommitFile>): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { entry, content } of read)
    found[entry.path] = Buffer.concat(await Array.fromAsync(content)).toString();
  return found;
}

/** Bytes that the server has sent. */
async function packBytes(): Promise<number> {
  const packs = (await readdir(join(dir, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
  const sizes = await Promise.all(
    packs.map(async (name) => (await readFile(join(dir, 'objects', 'pack', name))).length),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Text that can't be compressed. */
function noise(seed: string, kib: number): string {
  return Array.from({ length: kib * 16 }, (_, i) => createHash('sha256').update(`${seed}${i}`).digest('hex')).join('');
}

describe('GitMirror', () => {
  it('reads all files of a commit, with modes, links, directories and names of any bytes', async () => {
    const odd = Buffer.concat([
      Buffer.from('M 100644 inline "d/\\377\\012"\ndata 3\nodd\n'),
      Buffer.from(
        'M 100755 inline run\ndata 2\nsh\nM 120000 inline d/up\ndata 6\n../run\nM 100644 inline d.x\ndata 0\n\n',
      ),
    ]);
    const commit = await open(server.commitRaw(odd));
    expect(commit.entries.map(({ path, type }) => [path, type])).toEqual([
      ['d', 'directory'],
      ['d/up', 'symlink'],
      ['d/\xff\n', 'file'],
      ['d.x', 'file'],
      ['run', 'executable'],
    ]);
    expect(await files(commit)).toEqual({ 'd/\xff\n': 'odd', 'd.x': '', run: 'sh' });
    const link = commit.entries.find(({ type }) => type === 'symlink');
    expect(await commit.linkTargets([link?.id ?? ''])).toEqual(new Map([[link?.id, '../run']]));
  });

  it('fetches only what is new, and nothing for a commit that it has', async () => {
    const first = server.commit({ big: noise('a', 512), other: noise('b', 64) });
    const second = server.commit({ other: noise('c', 64) });
    await open(first);
    const before = await packBytes();
    expect(await files(await open(second))).toMatchObject({ other: noise('c', 64), big: noise('a', 512) });
    expect((await packBytes()) - before).toBeLessThan(before / 4);
    const asked = server.seen.length;
    await open(first);
    await open(second);
    expect(server.seen).toHaveLength(asked);
  });

  it('reads directories below the root with their own paths', async () => {
    const commit = await open(server.commit({ 'a/b/f': 'x', 'a/g': 'y', h: 'z' }));
    expect(commit.below('a')?.map(({ path }) => path)).toEqual(['b', 'b/f', 'g']);
    expect([commit.below('h'), commit.below('nowhere')]).toEqual([undefined, undefined]);
  });

  it('applies line ends and $Id$ as a checkout would, and leaves files of other filters as they are', async () => {
    const commit = await open(
      server.commit({
        '.gitattributes': '*.crlf eol=crlf\nid ident\n*.big filter=lfs\n',
        'd/a.crlf': 'a\nb\n',
        id: '$Id$\n',
        'x.big': 'a pointer\n',
        'd/.gitattributes': '*.lf eol=lf\n',
        'd/a.lf': 'a\r\nb\n',
      }),
    );
    const found = await files(commit);
    expect(found).toMatchObject({ 'd/a.crlf': 'a\r\nb\r\n', 'x.big': 'a pointer\n', 'd/a.lf': 'a\r\nb\n' });
    expect(found.id).toMatch(/^\$Id: [0-9a-f]{40} \$\n$/);
    const other = await open(server.commit({ '.gitattributes': '*.crlf eol=lf\n' }));
    expect(other.attributes).not.toBe(commit.attributes);
    expect((await files(other))['d/a.crlf']).toBe('a\nb\n');
    expect(await readdir(join(dir, 'checkouts'))).toEqual([]);
  });

  it('lists submodules as such', async () => {
    const inner = server.commit({ f: 'x' });
    const commit = await open(server.commitRaw(`M 160000 ${inner} sub\n`));
    expect(commit.entries).toContainEqual({ path: 'sub', type: 'submodule', id: inner });
  });

  it('recovers from a killed git, and from a damaged pack', async () => {
    const commit = server.commit({ f: noise('x', 32) });
    await open(commit);
    // Another process's.
    mirror = new GitMirror(dir, LIMITS);
    await writeFile(join(dir, 'shallow.lock'), '');
    await writeFile(join(dir, 'objects', 'pack', 'tmp_pack_x'), 'x');
    const next = server.commit({ g: 'y' });
    expect(await files(await open(next))).toMatchObject({ g: 'y' });
    const packs = join(dir, 'objects', 'pack');
    const damaged = (await readdir(packs)).filter((name) => name.endsWith('.pack'));
    expect(damaged).toHaveLength(2);
    for (const name of damaged) await truncate(join(packs, name), 100);
    // What is known of the commit hides it from this build, but not from the next one.
    await expect(open(next).then(files)).rejects.toThrow('git');
    expect(await files(await open(next))).toEqual({ f: noise('x', 32), g: 'y' });
    for (const name of await readdir(packs)) if (name.endsWith('.pack')) await truncate(join(packs, name), 100);
    mirror = new GitMirror(dir, LIMITS);
    expect(await files(await open(next))).toEqual({ f: noise('x', 32), g: 'y' });
  });

  it('writes neither URL nor credentials into the mirror', async () => {
    await open(server.commit({ f: 'x' }), '/private/app.git');
    const { origin } = server;
    for (const file of await readdir(dir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const text = await readFile(join(file.parentPath, file.name), 'latin1');
      for (const hidden of [server.token, Buffer.from(`x:${server.token}`).toString('base64'), origin, 'private'])
        expect(text).not.toContain(hidden);
    }
  });

  it('refuses a commit that it has to credentials that the server refuses', async () => {
    const ref = server.commit({ f: 'x' });
    await open(ref, '/private/app.git');
    const without = () => mirror.commit({ url: server.url('/private/app.git'), ref }, signal);
    await expect(without()).rejects.toMatchObject({ fault: 'auth_refused' });
    // Nor are they accepted because others were, meanwhile.
    await open(ref, '/private/app.git');
    await expect(without()).rejects.toMatchObject({ fault: 'auth_refused' });
  });

  it('asks the server again when its acceptance of the credentials is ten minutes old', async () => {
    let now = 0;
    mirror = new GitMirror(dir, LIMITS, () => now);
    const commit = server.commit({ f: 'x' });
    await open(commit);
    const asked = server.seen.length;
    now = 599_000;
    await open(commit);
    expect(server.seen).toHaveLength(asked);
    now = 601_000;
    await open(commit);
    expect(server.seen.length).toBeGreaterThan(asked);
  });

  it('lets several builds fetch at once', async () => {
    const commits = [1, 2, 3].map((i) => server.commit({ [`f${i}`]: noise(String(i), 16) }));
    const found = await Promise.all(commits.map(async (commit) => files(await open(commit))));
    expect(found.map((each) => Object.keys(each).length)).toEqual([1, 2, 3]);
  });
});
