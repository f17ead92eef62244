import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { allowedHosts, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { freePort } from '@kiln/runtime/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { resolveRef } from './resolve-ref.ts';
import { GitServer } from './testing/git-server.ts';

/** Lets git reach this machine by its address. */
const LOCAL = new OutgoingGuard(allowedHosts.parse('loopback'));
const never = new AbortController().signal;

let server: GitServer;
const commits: Record<string, string> = {};
beforeAll(async () => {
  server = await GitServer.start();
  for (const name of ['first', 'second', 'third']) commits[name] = server.commit({ file: name });
  const { first = '', second = '' } = commits;
  server.ref('refs/heads/old', first);
  server.ref('refs/tags/light', second);
  server.annotate('v1.0', second);
  server.ref('refs/heads/v1.0', first);
  server.ref('refs/pull/7/head', second);
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  server.seen.length = 0;
  server.instead = undefined;
});

const resolve = (url: string, ref?: string, guard = LOCAL) => resolveRef({ url, ref }, guard, never);

describe('a ref', () => {
  test.each([
    [undefined, 'third'],
    ['HEAD', 'third'],
    ['main', 'third'],
    ['old', 'first'],
    ['light', 'second'],
    ['refs/heads/old', 'first'],
    ['refs/tags/v1.0', 'second'],
    ['refs/pull/7/head', 'second'],
    ['pull/7/head', 'second'],
    ['heads/old', 'first'],
    // A tag takes precedence over a branch of the same name, and an annotated one is resolved to its commit.
    ['v1.0', 'second'],
  ])('%s resolves to the %s commit', async (ref, name) => {
    expect(await resolve(server.url(), ref)).toBe(commits[name]);
  });

  test('that is a full commit id is returned as it is, without a request', async () => {
    const commit = 'c'.repeat(40);
    expect(await resolve('http://127.0.0.1:1/x', commit)).toBe(commit);
  });

  test('of a private repository resolves only with its credentials', async () => {
    const authorization = `basic ${Buffer.from(`x-access-token:${server.token}`).toString('base64')}`;
    const url = server.url('/private/app.git');
    expect(await resolveRef({ url, authorization }, LOCAL, never)).toBe(commits.third);
    await expect(resolve(url)).rejects.toMatchObject({ fault: 'auth_refused', isPassing: false });
  });

  test.each([
    ['a ref that isn’t there', '/app.git', 'nowhere', 'ref_missing'],
    ['part of a ref’s name', '/app.git', 'ai', 'ref_missing'],
    ['a repository that isn’t there', '/other.git', undefined, 'repository_missing'],
  ])('fails for %s', async (_, path, ref, fault) => {
    await expect(resolve(server.url(path), ref)).rejects.toMatchObject({ fault });
  });

  test('says that a repository has no default branch, without naming a ref that was not asked for', async () => {
    await using empty = await GitServer.start();
    await expect(resolve(empty.url())).rejects.toMatchObject({
      fault: 'ref_missing',
      message: `${empty.url()} has no default branch: it is empty, or its HEAD names a branch that does not exist; name a branch, tag or commit`,
    });
  });

  test('fails for a server that is not listening', async () => {
    await expect(resolve('http://127.0.0.1:1/app.git')).rejects.toMatchObject({
      fault: 'unreachable',
      isPassing: true,
    });
  });

  test('stops resolving when its signal aborts', async () => {
    const asked = new Promise<void>((done) => {
      server.instead = () => done();
    });
    const stop = new AbortController();
    const hanging = resolveRef({ url: server.url() }, LOCAL, stop.signal);
    await asked;
    stop.abort(new Error('enough'));
    await expect(hanging).rejects.toThrow('enough');
  });
});

describe('git connects', () => {
  const refused = { fault: 'host_refused' };
  /** A guard that resolves the given names. */
  const guard = (allowed: string, names: Readonly<Record<string, readonly string[]>>) =>
    new OutgoingGuard(allowed === '' ? NO_ALLOWED_HOSTS : allowedHosts.parse(allowed), async (name) => {
      const addresses = names[name];
      if (!addresses) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    });
  const at = (host: string, path = '/app.git') => `http://${host}:${new URL(server.origin).port}${path}`;

  test('to no address of this network, directly or by name, unless it is allowed', async () => {
    const closed = guard('', { 'git.test': ['127.0.0.1'] });
    for (const url of [server.url(), at('git.test'), 'git://git.test/app.git', 'git://127.0.0.1/app.git']) {
      await expect(resolve(url, 'main', closed)).rejects.toMatchObject(refused);
    }
    expect(server.seen).toEqual([]);
  });

  test('only to the addresses that were checked', async () => {
    // Only the check can resolve this name.
    expect(await resolve(at('git.test'), 'main', guard('git.test', { 'git.test': ['127.0.0.1'] }))).toBe(commits.third);
    expect(server.seen[0]?.host).toMatch(/^git\.test:/);
  });

  test('to the address that was checked with git:// as well, and sends the server the name', async () => {
    const port = await freePort();
    // The daemon finds the repository by the name that the client sends.
    const daemon = spawn(
      'git',
      ['daemon', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--interpolated-path=${server.root}/%H/../%D`],
      { detached: true, stdio: 'ignore', env: { PATH: process.env.PATH ?? '', HOME: '/dev/null' } },
    );
    try {
      await vi.waitFor(() => canConnect(port), { timeout: 60_000, interval: 10 });
      const open = guard('app.git', { 'app.git': ['127.0.0.1'] });
      expect(await resolve(`git://app.git:${port}/app.git`, 'main', open)).toBe(commits.third);
    } finally {
      if (daemon.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL');
    }
  });

  test.each(['http://nowhere.test/app.git', 'git://nowhere.test/app.git'])(
    'to nothing for %s, whose name can’t be resolved',
    async (url) => {
      await expect(resolve(url, 'main', guard('*', {}))).rejects.toMatchObject({
        fault: 'unreachable',
        message: expect.stringContaining('nowhere.test can’t be resolved (ENOTFOUND)'),
      });
    },
  );

  /** Makes the server redirect `/moved/HOST/…` to `HOST/…`. */
  const moving = () => {
    server.instead = (request, response) => {
      const [, host, path] = /^\/moved\/([^/]+)\/(.*)$/.exec(request.url ?? '') ?? [];
      if (host === undefined) server.answer(request, response);
      else response.writeHead(301, { location: `http://${decodeURIComponent(host)}/${path}` }).end();
    };
  };

  test('to the target of an allowed redirect, without the credentials', async () => {
    moving();
    const open = guard('git.test,new.test', { 'git.test': ['127.0.0.1'], 'new.test': ['127.0.0.1'] });
    const { host } = new URL(at('new.test'));
    const url = at('git.test', `/moved/${host}/app.git`);
    expect(await resolveRef({ url, authorization: 'basic eDp5' }, open, never)).toBe(commits.third);
    expect(server.seen[0]).toMatchObject({ host: new URL(url).host, authorization: 'basic eDp5' });
    expect(server.seen.at(-1)).toMatchObject({ host, authorization: undefined });
  });

  test('to no target of a redirect that isn’t allowed', async () => {
    moving();
    const open = guard('git.test', { 'git.test': ['127.0.0.1'], 'inner.test': ['127.0.0.1'] });
    for (const inner of [new URL(at('inner.test')).host, new URL(server.origin).host]) {
      server.seen.length = 0;
      const url = at('git.test', `/moved/${encodeURIComponent(inner)}/app.git`);
      await expect(resolve(url, 'main', open)).rejects.toMatchObject(refused);
      expect(server.seen.filter(({ host }) => host !== new URL(url).host)).toEqual([]);
    }
  });
});

/** @throws Error unless something listens at the port */
async function canConnect(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
