import { randomBytes } from 'node:crypto';
import { mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnClient } from '@kiln/client';
import type { Digest } from '@kiln/trees';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CuttingProxy } from '../../testing/cutting-proxy.ts';
import { PartStore, type StoredEntry } from '../../testing/part-store.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
let dir: TempDir;
let cache: TempDir;
let proxy: CuttingProxy;
beforeEach(async () => {
  dir = await TempDir.with({ Dockerfile: 'FROM x', 'src/a': 'A', 'src/b': 'B', 'docs/c': 'C' });
  cache = await TempDir.with({});
  proxy = await CuttingProxy.before(cli.pool.api.url);
});
afterEach(async () => {
  vi.useRealTimers();
  for (const each of [proxy, cache, dir]) await each[Symbol.asyncDispose]();
});

/** Submits the context, and returns what was said. */
async function build(...flags: string[]): Promise<string> {
  proxy.passed.length = 0;
  const env = { KILN_URL: proxy.url, XDG_CACHE_HOME: cache.path };
  const { code, err } = await cli.run(['build', '-d', '--repo', 'app', ...flags, '.'], { cwd: dir.path, env });
  expect([code, err]).toEqual([0, expect.stringContaining('kiln: context: ')]);
  return err;
}

/** Waits until what was just written can be remembered: a file that is as new as its reading could change again without a change of its times. */
const settled = () => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });

const requests = () => proxy.passed.map(({ method, path }) => `${method} ${path}`);

/** Reads the context of the newest build back. */
async function stored(team?: string): Promise<StoredEntry[]> {
  const client = new KilnClient({ url: cli.pool.api.url, token: cli.pool.token });
  const [newest] = (await client.list({ limit: 1 })).builds;
  const { source } = newest?.request ?? {};
  const root = (source?.type === 'upload' ? source.digest : undefined) as Digest;
  const store = new PartStore();
  const wanted = { directories: [root], files: [] as Digest[] };
  while (wanted.directories.length + wanted.files.length > 0) {
    const { directories, files } = await store.storeLoosely(client.readTreeParts(wanted, { team }));
    Object.assign(wanted, { directories, files });
  }
  return store.list(root);
}

/** Reads the times that the newest build sent. */
async function sentTimes(): Promise<bigint[]> {
  const client = new KilnClient({ url: cli.pool.api.url, token: cli.pool.token });
  const [newest] = (await client.list({ limit: 1 })).builds;
  const { source } = newest?.request ?? {};
  const times = (source?.type === 'upload' ? source.times : undefined) as Digest;
  const store = new PartStore();
  await store.storeLoosely(client.readTreeParts({ files: [times] }));
  const bytes = store.files.get(times) as Buffer;
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigInt64BE(8 * i));
}

describe('a context on its way to a real API', () => {
  it('takes one request if it hasn’t changed, and otherwise only what has', async () => {
    expect(await build()).toMatch(/^kiln: context: 4 files, 9B; 4 files, \d+B sent\n$/);
    expect(await build()).toBe('kiln: context: 4 files, 9B; nothing to send\n');
    expect(requests()).toEqual(['POST /v1/builds']);
    await writeFile(join(dir.path, 'docs/c'), 'D');
    // docs/c, and the Dockerfile, which is in the same object as the digest of docs.
    expect(await build()).toMatch(/^kiln: context: 4 files, 9B; 2 files, \d+B sent\n$/);
    expect((await stored()).map(({ path, text }) => [path, text])).toEqual([
      ['Dockerfile', 'FROM x'],
      ['docs', undefined],
      ['docs/c', 'D'],
      ['src', undefined],
      ['src/a', 'A'],
      ['src/b', 'B'],
    ]);
  });

  it('takes two requests after a small change to files that a build has sent, and asks if that was another API', async () => {
    await settled();
    await build();
    await writeFile(join(dir.path, 'docs/c'), 'D');
    expect(await build()).toMatch(/^kiln: context: 4 files, 9B; 2 files, \d+B sent\n$/);
    expect(requests()).toEqual(['POST /v1/trees', 'POST /v1/builds']);
    expect((await stored()).find(({ path }) => path === 'docs/c')?.text).toBe('D');
    // For this team nothing was sent before: src isn't there, though nothing in it has changed.
    await writeFile(join(dir.path, 'docs/c'), 'E');
    expect(await build('--team', 'other')).toMatch(/^kiln: context: 4 files, 9B; 3 files, \d+B sent\n$/);
    expect(requests().slice(0, 3)).toEqual(['POST /v1/trees', 'POST /v1/builds', 'POST /v1/trees/missing']);
    expect((await stored('other')).map(({ path }) => path)).toContain('src/b');
    await build();
    // A file that could change again any moment is read each time, and sent once.
    await utimes(join(dir.path, 'src/a'), new Date(), new Date());
    for (const sent of ['nothing to send', 'nothing to send']) expect(await build()).toContain(sent);
    expect(requests()).toEqual(['POST /v1/builds']);
  });

  it('asks before it sends a large change', async () => {
    await settled();
    await build();
    await writeFile(join(dir.path, 'docs/c'), randomBytes(1_100_000));
    await build();
    expect(requests()[0]).toBe('POST /v1/builds');
    expect(requests()).toContain('POST /v1/trees/missing');
  });

  it('arrives as it is: modes, links, odd names, empty directories, empty and large files', async () => {
    const large = randomBytes(70_000);
    await mkdir(join(dir.path, 'empty'), { mode: 0o700 });
    await writeFile(join(dir.path, 'run'), '', { mode: 0o755 });
    await symlink('/etc/passwd', join(dir.path, 'link'));
    await writeFile(Buffer.concat([Buffer.from(`${dir.path}/`), Buffer.of(0xff, 0x0a)]), 'odd');
    await writeFile(join(dir.path, 'large'), large.toString('hex'));
    await build();
    const entries = await stored();
    expect(entries).toContainEqual({ path: 'empty', type: 'directory', mode: 0o700 });
    expect(entries).toContainEqual({ path: 'run', type: 'file', mode: 0o755, text: '' });
    expect(entries).toContainEqual({ path: 'link', type: 'symlink', text: '/etc/passwd' });
    expect(entries).toContainEqual({ path: '\ufffd\n', type: 'file', mode: 0o644, text: 'odd' });
    expect(entries).toContainEqual({ path: 'large', type: 'file', mode: 0o644, text: large.toString('hex') });
  });

  it('goes on where it was cut off, also in the middle of a file', async () => {
    const [one, two] = [randomBytes(400_000).toString('latin1'), randomBytes(4_000_000).toString('latin1')];
    await writeFile(join(dir.path, 'src/one'), one, 'latin1');
    await writeFile(join(dir.path, 'two'), two, 'latin1');
    proxy.cuts.set('/v1/trees', [700_000, 2_000_000]);
    expect((await build()).match(/retrying/g)).toHaveLength(2);
    const uploads = proxy.passed.filter(({ path }) => path === '/v1/trees').map(({ bytes }) => bytes);
    expect(uploads.slice(0, 2)).toEqual([700_000, 2_000_000]);
    // All there is, but for what the cuts lost on its way.
    expect(uploads[2]).toBeLessThan(2_500_000);
    const entries = await stored();
    expect(entries.find(({ path }) => path === 'two')?.text).toBe(Buffer.from(two, 'latin1').toString());
    expect(entries.find(({ path }) => path === 'src/one')?.text).toBe(Buffer.from(one, 'latin1').toString());
  });

  it('sends the times of directories, and nothing else if only they have changed', async () => {
    await settled();
    await build();
    const [first, second] = [await sentTimes(), 1_000_000_000n];
    expect(first.map(Number)).toEqual([expect.any(Number), expect.any(Number)]);
    await utimes(join(dir.path, 'src'), Number(second), Number(second));
    expect(await build()).toMatch(/^kiln: context: 4 files, 9B; times of directories, \d+B sent\n$/);
    expect(requests()).toEqual(['POST /v1/trees', 'POST /v1/builds']);
    expect(await sentTimes()).toEqual([first[0], second * 1_000_000_000n]);
    expect(await build()).toContain('nothing to send');
    expect(requests()).toEqual(['POST /v1/builds']);
  });

  it('brings its times if they are asked for', async () => {
    await build('--mtimes', 'submitted');
    expect(await build('--mtimes', 'submitted')).toContain('nothing to send');
    expect(requests()).toEqual(['POST /v1/builds']);
    const { mtimeNs } = await stat(join(dir.path, 'Dockerfile'), { bigint: true });
    expect((await sentTimes())[0]).toBe(mtimeNs);
  });
});
