import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowedHosts, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCommit } from './commit-files.ts';
import { GitFailed } from './git-failed.ts';
import { GitServer } from './testing/git-server.ts';

/** Lets git go to this machine by its address. */
const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const LIMITS = { timeoutMs: 20_000, maxFetchBytes: 8 * 1024 * 1024, guard };
const never = new AbortController().signal;
const CONFIG = 'version: 1\n';
let server: GitServer;
let first: string;
let second: string;

let dir: string;

beforeAll(async () => {
  // A place of its own: other processes fetch at the same time.
  dir = mkdtempSync(join(tmpdir(), 'kiln-commit-files-'));
  vi.stubEnv('TMPDIR', dir);
  server = await GitServer.start();
  first = server.commit({
    '.kiln.yaml': CONFIG,
    'src/big.bin': randomBytes(512 * 1024).toString('hex'),
    'src/a.ts': '1',
  });
  second = server.commit({ 'src/a.ts': '2', 'docs/ä b.md': 'x' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  server.seen.length = 0;
  server.instead = undefined;
});

const open = (ref: string, more: object = {}, limits: object = {}) =>
  openCommit({ url: server.url(), ref, ...more }, { ...LIMITS, ...limits }, never);
const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('kiln-fetch-'));

/** The failure that opening or reading ends in. */
async function failure(work: Promise<unknown>): Promise<GitFailed> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GitFailed)) throw new Error(`expected a GitFailed, got ${error}`);
  return error;
}

describe('a commit', () => {
  it('is read at its own state, without the files that nobody asks for; nothing is left', async () => {
    {
      // Far less than the other files: they aren't sent.
      await using files = await open(first, {}, { maxFetchBytes: 64 * 1024 });
      expect(files.commit).toBe(first);
      expect(await files.read('.kiln.yaml', 1_000)).toEqual({ text: CONFIG, isWhole: true });
      expect(await files.read('./src/a.ts', 1_000)).toMatchObject({ text: '1' });
      expect(await files.read('src', 1_000)).toBeUndefined();
      expect(await files.read('none.yaml', 1_000)).toBeUndefined();
      expect(await files.read('.kiln.yaml', 4)).toEqual({ text: 'vers', isWhole: false });
    }
    expect(leftovers()).toEqual([]);
  });

  it('is fetched from the addresses that were checked, files later on as well, and from no other', async () => {
    const allowed = allowedHosts.parse('git.test');
    // Nobody else knows this name: git can have its address only from the check.
    const named = new OutgoingGuard(allowed, async () => [{ address: '127.0.0.1', family: 4 }]);
    const url = `http://git.test:${new URL(server.origin).port}/app.git`;
    await using files = await open(first, { url }, { guard: named });
    expect(await files.read('.kiln.yaml', 1_000)).toMatchObject({ text: CONFIG });
    const closed = new OutgoingGuard(NO_ALLOWED_HOSTS);
    const before = server.seen.length;
    expect(await failure(open(first, {}, { guard: closed }))).toMatchObject({
      fault: 'host_refused',
      isPassing: false,
    });
    expect(server.seen).toHaveLength(before);
  });

  it('is found by a branch, too', async () => {
    await using files = await open('refs/heads/main');
    expect(files.commit).toBe(second);
  });

  it('tells what it changed, against a commit and against a branch', async () => {
    const fork = server.commit({ 'src/c.ts': '3' }, 'feature');
    server.commit({ 'docs/later.md': 'not of the branch' }, 'main', 'main');
    await using pushed = await open(second);
    expect(await pushed.changedSince(first)).toEqual(['docs/ä b.md', 'src/a.ts']);
    expect(await pushed.changedSince('ab'.repeat(20))).toBeUndefined();
    await using pulled = await open(fork);
    expect(await pulled.changedOn('main')).toEqual(['src/c.ts']);
    expect(await pulled.changedOn('gone')).toBeUndefined();
  });

  it('tells plain files from links, and from what lies below one', async () => {
    const linked = server.commit(
      { l: { link: 'src/a.ts' }, d: { link: 'src' }, 'deep/d': { link: '../src' } },
      'linked',
    );
    await using files = await open(linked);
    const paths = ['src/a.ts', 'l', 'd', 'd/a.ts', 'deep/d/a.ts', 'src', 'none', 'src/none', 'none/none', 'src/*'];
    expect(await Promise.all(paths.map((path) => files.isPlainFile(path)))).toEqual(
      [true, false, false, false, false, false].concat(Array(4).fill(undefined)),
    );
  });
});

describe('what goes wrong', () => {
  it('no such commit; it may come yet', async () => {
    expect(await failure(open('ab'.repeat(20)))).toMatchObject({ fault: 'ref_missing', isPassing: true });
    expect(await failure(open('refs/heads/none'))).toMatchObject({ fault: 'ref_missing' });
  });

  it('credentials: needed, wrong, right, and sent in no other way than as a header', async () => {
    const url = server.url('/private/app.git');
    const refused = await failure(open(first, { url }));
    expect(refused).toMatchObject({ fault: 'auth_refused', isPassing: false });
    const credentials = { user: 'x', token: 'wrong-token' };
    expect((await failure(open(first, { url, credentials }))).message).not.toContain('wrong-token');
    await using files = await open(first, { url, credentials: { user: 'x', token: server.token } });
    expect(await files.read('.kiln.yaml', 100)).toMatchObject({ text: CONFIG });
    expect(server.seen.every(({ path }) => !path.includes(server.token))).toBe(true);
  });

  it('a server that is not there, hangs, or sends the client elsewhere', async () => {
    expect(await failure(open(first, { url: 'http://127.0.0.1:9/app.git' }))).toMatchObject({ isPassing: true });
    server.instead = () => {};
    const late = await failure(open(first, {}, { timeoutMs: 300 }));
    expect(late).toMatchObject({ fault: 'unreachable', isPassing: true });
    expect(late.message).toContain('within 0.3 s');
    const { origin } = server;
    const elsewhere: string[] = [];
    server.instead = (request, response) => {
      if (request.url?.startsWith('/other/')) elsewhere.push(request.url);
      response.writeHead(302, { location: `${origin}/other${request.url}` }).end();
    };
    expect(await failure(open(first))).toMatchObject({ fault: 'redirected', isPassing: false });
    expect(elsewhere).toEqual([]);
  });

  it('a file that is larger than a fetch may be', async () => {
    await using files = await open(first, {}, { maxFetchBytes: 64 * 1024 });
    const error = await failure(files.read('src/big.bin', 2 * 1024 * 1024));
    expect(error).toMatchObject({ fault: 'too_large', isPassing: false });
    expect(error.message).toContain('sends more than');
  });

  it('is left at once when it is given up', async () => {
    server.instead = () => {};
    const stop = new AbortController();
    const opening = openCommit({ url: server.url(), ref: first }, LIMITS, stop.signal);
    while (server.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });
});
