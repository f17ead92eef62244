import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GitCheckout } from '@kiln/buildkit';
import { GitServer, type OddEntry } from '@kiln/git/testing';
import { allowedHosts, createLogger, OutgoingGuard } from '@kiln/runtime';
import type { ListedFile, Listing } from '@kiln/trees';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CommitPlace, checkOutCommit } from './check-out-commit.ts';
import { GitMirrors } from './git-mirrors.ts';

const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const log = createLogger({ app: 'test', level: 'silent' });
const { signal } = new AbortController();

let server: GitServer;
let dir: string;
let now: number;
beforeEach(async () => {
  server = await GitServer.start();
  dir = await mkdtemp(join(tmpdir(), 'kiln-mirrors-'));
  now = 1_700_000_000_000;
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const mirrorsOf = (budgetBytes = 1e9) => new GitMirrors({ dir, budgetBytes }, { guard, log, now: () => now });

function checkOut(commit: string, place: Partial<CommitPlace> = {}, mirrors = mirrorsOf(), domain = 'team-a') {
  const at = { url: server.url(), commit, authorization: undefined, dockerfile: 'Dockerfile', ...place };
  return checkOutCommit(mirrors, domain, at, signal);
}

const file = (name: string): OddEntry => ({ mode: '100644', name, content: 'FROM x' });
const link = (name: string, content: string): OddEntry => ({ mode: '120000', name, content });
const directory = (name: string, content: readonly OddEntry[]): OddEntry => ({ mode: '40000', name, content });

async function texts(
  checkout: GitCheckout | { instead: string },
  known: Listing = [],
): Promise<Record<string, string>> {
  if ('instead' in checkout) throw new Error(checkout.instead);
  await using _ = checkout;
  const listing = await checkout.tree.list(known);
  const before = new Map(known.map((entry) => [entry.path, entry]));
  const files = listing.filter((entry): entry is ListedFile => {
    const other = before.get(entry.path);
    const isKnown = other?.type === 'file' && entry.type === 'file' && other.contentId === entry.contentId;
    return entry.type === 'file' && !isKnown;
  });
  const found: Record<string, string> = {};
  for await (const { file, content } of checkout.tree.contents(files)) {
    const bytes = Buffer.concat(await Array.fromAsync(content));
    expect(bytes).toHaveLength(file.sizeBytes);
    found[file.path] = bytes.toString();
  }
  return found;
}

describe('checkOutCommit', () => {
  test('gives the files of a directory of the commit, and the Dockerfile’s path', async () => {
    const commit = server.commit({
      'app/Dockerfile': 'FROM x',
      'app/src/a': 'a',
      'app/up': { link: '../other' },
      other: 'o',
    });
    const checkout = await checkOut(commit, { subdir: './app/' });
    if ('instead' in checkout) throw new Error(checkout.instead);
    expect(checkout.dockerfile).toBe('Dockerfile');
    const listing = await checkout.tree.list([]);
    expect(listing.map((entry) => [entry.path, entry.type, 'mode' in entry ? entry.mode : entry.target])).toEqual([
      ['Dockerfile', 'file', 0o644],
      ['src', 'directory', 0o755],
      ['src/a', 'file', 0o644],
      ['up', 'symlink', '../other'],
    ]);
    expect(await texts(checkout)).toEqual({ Dockerfile: 'FROM x', 'src/a': 'a' });
  });

  test('finds dockerfile where there is no Dockerfile', async () => {
    expect(await checkOut(server.commit({ dockerfile: 'FROM x' }))).toMatchObject({ dockerfile: 'dockerfile' });
  });

  test('names contents by what is in them: what did not change has the same id in the next commit', async () => {
    const first = await checkOut(server.commit({ Dockerfile: 'FROM x', 'd/a': 'a', 'e/b': 'b' }));
    const second = await checkOut(server.commit({ 'e/b': 'c' }));
    if ('instead' in first || 'instead' in second) throw new Error('not checked out');
    const [before, after] = [await first.tree.list([]), await second.tree.list([])];
    const ids = (listing: Listing) =>
      new Map(listing.map((entry) => [entry.path, 'contentId' in entry ? entry.contentId : '']));
    const changed = [...ids(after)].filter(([path, id]) => ids(before).get(path) !== id).map(([path]) => path);
    expect(changed).toEqual(['e', 'e/b']);
    expect(first.tree.id).not.toBe(second.tree.id);
    expect(await texts(second, before)).toEqual({ 'e/b': 'c' });
    await first[Symbol.asyncDispose]();
  });

  test('gives files as their attributes change them, with their sizes, and again with other attributes', async () => {
    const commit = server.commit({ '.gitattributes': '*.txt eol=crlf\n', Dockerfile: 'FROM x', 'd/a.txt': 'a\nb\n' });
    const first = await checkOut(commit, { subdir: 'd', dockerfile: 'a.txt' });
    if ('instead' in first) throw new Error(first.instead);
    const before = await first.tree.list([]);
    expect(before).toMatchObject([{ path: 'a.txt', sizeBytes: 6 }]);
    // Also if the tree has to be recreated after all.
    expect(await texts(first, before)).toEqual({});
    const again = await checkOut(commit, { subdir: 'd', dockerfile: 'a.txt' });
    if ('instead' in again) throw new Error(again.instead);
    const listing = await again.tree.list(before);
    expect(listing).toEqual(before);
    const read: string[] = [];
    for await (const { content } of again.tree.contents(listing as ListedFile[]))
      read.push(Buffer.concat(await Array.fromAsync(content)).toString());
    expect(read).toEqual(['a\r\nb\r\n']);
    await again[Symbol.asyncDispose]();
    const other = server.commit({ '.gitattributes': '*.txt eol=lf\n' });
    expect(await texts(await checkOut(other, { subdir: 'd', dockerfile: 'a.txt' }), before)).toEqual({
      'a.txt': 'a\nb\n',
    });
    const left = (await readdir(dir, { recursive: true })).filter((path) => /checkouts./.test(path));
    expect(left).toEqual([]);
  });

  test('tells directories of one commit apart whose attributes make different files of the same blob', async () => {
    const commit = server.commit({
      '.gitattributes': 'a/f eol=crlf\nb/f eol=lf\n',
      'a/f': 'x\ny\n',
      'b/f': 'x\ny\n',
    });
    const first = await checkOut(commit, { subdir: 'a', dockerfile: 'f' });
    if ('instead' in first) throw new Error(first.instead);
    const before = await first.tree.list([]);
    await first[Symbol.asyncDispose]();
    expect(await texts(await checkOut(commit, { subdir: 'b', dockerfile: 'f' }), before)).toEqual({ f: 'x\ny\n' });
  });

  test.each([
    [
      'submodules',
      () => server.commitRaw(`M 100644 inline Dockerfile\ndata 6\nFROM x\nM 160000 ${'1'.repeat(40)} sub\n`),
      {},
      'it has submodules',
    ],
    [
      'a missing directory',
      () => server.commit({ Dockerfile: 'FROM x' }),
      { subdir: 'nope' },
      'the commit has no directory nope',
    ],
    [
      'a Dockerfile that is a link',
      () => server.commit({ Dockerfile: { link: 'D' }, D: 'FROM x' }),
      {},
      'the commit has no plain file Dockerfile',
    ],
    [
      'refused credentials',
      () => server.commit({ Dockerfile: 'FROM x' }),
      { url: 'private' },
      'credentials are missing or invalid',
    ],
    [
      'a name that leads out',
      () => server.commitOdd([file('Dockerfile'), directory('..', [directory('..', [file('out')])])]),
      {},
      'git would not check out',
    ],
    [
      'a link and a directory of the same name',
      () => server.commitOdd([file('Dockerfile'), link('a', '/tmp'), directory('a', [file('b')])]),
      {},
      'git would not check out',
    ],
    [
      'a name with a slash, through a link',
      () => server.commitOdd([file('Dockerfile'), link('a', '/tmp'), file('a/b')]),
      {},
      'git would not check out',
    ],
    [
      'a link whose target is longer than any path',
      () => server.commitOdd([file('Dockerfile'), link('l', 'x'.repeat(5000))]),
      {},
      'a link with a target of 5000 bytes',
    ],
  ] as const)('leaves a commit with %s to BuildKit, and says why', async (_what, commit, place, why) => {
    const url = 'url' in place ? server.url('/private/app.git') : server.url();
    expect(await checkOut(commit(), { ...place, url })).toEqual({ instead: expect.stringContaining(why) });
  });
});

describe('GitMirrors', () => {
  const sizeOf = async (domain: string) => (await readdir(join(dir, domain))).length;

  test('keeps a mirror for each remote and domain', async () => {
    const commit = server.commit({ Dockerfile: 'FROM x' });
    const mirrors = mirrorsOf();
    for (const domain of ['team-a', 'team-b']) await texts(await checkOut(commit, {}, mirrors, domain));
    const authorization = `basic ${Buffer.from(`x:${server.token}`).toString('base64')}`;
    await texts(await checkOut(commit, { url: server.url('/private/app.git'), authorization }, mirrors));
    const domains = await readdir(dir);
    expect((await Promise.all(domains.map(sizeOf))).sort()).toEqual([1, 2]);
    expect(mirrors.usedBytes).toBeGreaterThan(0);
  });

  test('removes the mirrors used longest ago when over budget, except those in use, and recreates them', async () => {
    const commit = server.commit({ Dockerfile: 'FROM x' });
    const measured = mirrorsOf();
    await texts(await checkOut(commit, {}, measured));
    await rm(dir, { recursive: true });
    const mirrors = mirrorsOf(measured.usedBytes * 1.5);
    const held = await checkOut(commit, {}, mirrors, 'team-a');
    now += 1;
    await texts(await checkOut(commit, {}, mirrors, 'team-b'));
    const sizes = async () => (await Promise.all((await readdir(dir)).map(sizeOf))).sort();
    // Only the other one could be removed.
    expect(await sizes()).toEqual([0, 1]);
    expect(await texts(held)).toEqual({ Dockerfile: 'FROM x' });
    expect(mirrors.usedBytes).toBeGreaterThan(0);
    now += 1;
    expect(await texts(await checkOut(commit, {}, mirrors, 'team-b'))).toEqual({ Dockerfile: 'FROM x' });
    expect(await sizes()).toEqual([0, 1]);
    expect(await texts(await checkOut(commit, {}, mirrors))).toEqual({ Dockerfile: 'FROM x' });
  });

  test('knows the mirrors of an earlier worker, and removes what that one was removing', async () => {
    const commit = server.commit({ Dockerfile: 'FROM x' });
    await texts(await checkOut(commit));
    await mkdir(join(dir, 'removed-x', 'objects'), { recursive: true });
    await writeFile(join(dir, 'removed-x', 'objects', 'f'), 'x');
    const asked = server.seen.length;
    const next = mirrorsOf();
    await texts(await checkOut(commit, {}, next));
    // It asks whether it may, but fetches nothing.
    expect(server.seen.slice(asked).some(({ path }) => path.endsWith('git-upload-pack'))).toBe(true);
    expect(next.usedBytes).toBeGreaterThan(0);
    expect(await readdir(dir)).toHaveLength(1);
  });
});
