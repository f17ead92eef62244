import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allowedHosts, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCommit } from './commit-files.ts';
import { GitFailed } from './git-failed.ts';
import { GitServer } from './testing/git-server.ts';

/** Lets git reach this machine by its address. */
const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const LIMITS = { timeoutMs: 20_000, maxFetchBytes: 8 * 1024 * 1024, guard };
const never = new AbortController().signal;
const CONFIG = 'version: 1\n';
let server: GitServer;
let first: string;
let second: string;

let dir: string;

beforeAll(async () => {
  // A separate directory, because other processes fetch at the same time.
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

/** Returns the failure of opening or reading. */
async function failure(work: Promise<unknown>): Promise<GitFailed> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GitFailed)) throw new Error(`expected a GitFailed, got ${error}`);
  return error;
}

describe('a commit', () => {
  it('is read without fetching other files, and leaves nothing behind', async () => {
    {
      // Far less than the other files, which aren't sent.
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

  it('is fetched only from the addresses that were checked, also later for its files', async () => {
    const allowed = allowedHosts.parse('git.test');
    // Only the check can resolve this name.
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

  it('is found by a branch', async () => {
    await using files = await open('refs/heads/main');
    expect(files.commit).toBe(second);
  });

  it('lists its changes since a commit and on a branch', async () => {
    const fork = server.commit({ 'src/c.ts': '3' }, 'feature');
    server.commit({ 'docs/later.md': 'not of the branch' }, 'main', 'main');
    await using pushed = await open(second);
    expect(await pushed.changedSince(first)).toEqual(['docs/ä b.md', 'src/a.ts']);
    expect(await pushed.changedSince('ab'.repeat(20))).toBeUndefined();
    await using pulled = await open(fork);
    expect(await pulled.changedOn('main')).toEqual(['src/c.ts']);
    expect(await pulled.changedOn('gone')).toBeUndefined();
  });

  it('distinguishes plain files from links and from paths below links', async () => {
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

describe('reading a commit', () => {
  it('fails with ref_missing for a commit that does not exist, or not yet', async () => {
    expect(await failure(open('ab'.repeat(20)))).toMatchObject({ fault: 'ref_missing', isPassing: true });
    expect(await failure(open('refs/heads/none'))).toMatchObject({ fault: 'ref_missing' });
  });

  it('fails without valid credentials, and sends them only as a header', async () => {
    const url = server.url('/private/app.git');
    const refused = await failure(open(first, { url }));
    expect(refused).toMatchObject({ fault: 'auth_refused', isPassing: false });
    const credentials = { user: 'x', token: 'wrong-token' };
    expect((await failure(open(first, { url, credentials }))).message).not.toContain('wrong-token');
    await using files = await open(first, { url, credentials: { user: 'x', token: server.token } });
    expect(await files.read('.kiln.yaml', 100)).toMatchObject({ text: CONFIG });
    expect(server.seen.every(({ path }) => !path.includes(server.token))).toBe(true);
  });

  it('fails for a server that is down, hangs, or redirects elsewhere', async () => {
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

  it('fails for a file larger than the limit of a fetch', async () => {
    await using files = await open(first, {}, { maxFetchBytes: 64 * 1024 });
    const error = await failure(files.read('src/big.bin', 2 * 1024 * 1024));
    expect(error).toMatchObject({ fault: 'too_large', isPassing: false });
    expect(error.message).toContain('sends more than');
  });

  it('stops when the signal aborts', async () => {
    server.instead = () => {};
    const stop = new AbortController();
    const opening = openCommit({ url: server.url(), ref: first }, LIMITS, stop.signal);
    await expect.poll(() => server.seen.length, { timeout: 60_000, interval: 10 }).toBeGreaterThan(0);
    stop.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });
});
