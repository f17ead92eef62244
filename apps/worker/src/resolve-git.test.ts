import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { allowedHosts, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveCommit } from './resolve-git.ts';
import { SourceUnresolved } from './source-unresolved.ts';

const run = promisify(execFile);
const NO_SECRETS = new Map<string, string>();
/** Lets git go to this machine by its address. */
const LOCAL = new OutgoingGuard(allowedHosts.parse('loopback'));
const never = () => new AbortController().signal;

let root: string;
let server: Server;
let url: string;
const commits: Record<string, string> = {};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-git-'));
  const repo = join(root, 'app.git');
  await mkdir(repo);
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
    GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
  };
  const git = async (...args: string[]) =>
    (await run('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: repo, env })).stdout.trim();
  await git('init', '-q', '-b', 'main');
  for (const name of ['first', 'second', 'third']) {
    await writeFile(join(repo, 'file'), name);
    await git('add', '.');
    await git('commit', '-q', '-m', name);
    commits[name] = await git('rev-parse', 'HEAD');
  }
  await git('branch', 'old', commits.first ?? '');
  await git('tag', 'light', commits.second ?? '');
  await git('tag', '-a', '-m', 'annotated', 'v1.0', commits.second ?? '');
  await git('branch', 'v1.0', commits.first ?? '');
  server = createServer((request, response) => serveGit(root, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

/** Git's own http-backend, with `/private/` behind a token and `/hang/` silent. */
function serveGit(dir: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  if (path.startsWith('/hang/')) return;
  const moved = /^\/moved-to\/([^/]+)\/(.*)$/.exec(path);
  if (moved) {
    response.writeHead(301, { location: `http://${decodeURIComponent(moved[1] ?? '')}/${moved[2]}?${query}` }).end();
    return;
  }
  const expected = `basic ${Buffer.from('x-access-token:s3cret').toString('base64')}`;
  if (path.startsWith('/private/') && request.headers.authorization !== expected) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    return;
  }
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: dir,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path.replace('/private', '').replace('app.git', 'app.git/.git'),
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: (request.headers['git-protocol'] as string | undefined) ?? '',
    },
  });
  request.pipe(backend.stdin);
  const chunks: Buffer[] = [];
  backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  backend.on('close', () => {
    const answer = Buffer.concat(chunks);
    const split = answer.indexOf('\r\n\r\n');
    const headers = answer
      .subarray(0, split)
      .toString()
      .split('\r\n')
      .map((line) => line.split(': ') as [string, string]);
    const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200';
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
    response.end(answer.subarray(split + 4));
  });
}

describe('resolveCommit', () => {
  test.each([
    [undefined, 'third'],
    ['HEAD', 'third'],
    ['main', 'third'],
    ['old', 'first'],
    ['light', 'second'],
    ['refs/heads/old', 'first'],
    ['refs/tags/v1.0', 'second'],
    // A tag goes before a branch of the same name, and an annotated one stands for its commit.
    ['v1.0', 'second'],
  ])('%s', async (ref, name) => {
    expect(await resolveCommit({ url: `${url}/app.git`, ref }, NO_SECRETS, LOCAL, never())).toBe(commits[name]);
  });

  test('a full commit id is taken as it is, without asking', async () => {
    const commit = 'c'.repeat(40);
    expect(await resolveCommit({ url: 'http://127.0.0.1:1/x', ref: commit }, NO_SECRETS, LOCAL, never())).toBe(commit);
  });

  test('a private repository opens with its token', async () => {
    const source = { url: `${url}/private/app.git` };
    const secrets = new Map([[`GIT_AUTH_TOKEN.${new URL(url).host}`, 's3cret']]);
    expect(await resolveCommit(source, secrets, LOCAL, never())).toBe(commits.third);
    await expect(resolveCommit(source, NO_SECRETS, LOCAL, never())).rejects.toMatchObject({
      failure: { code: 'git_auth_failed' },
    });
  });

  test.each([
    ['a ref that isn’t there', '/app.git', 'nowhere', 'git_ref_missing'],
    ['part of a ref’s name', '/app.git', 'ai', 'git_ref_missing'],
    ['a repository that isn’t there', '/other.git', undefined, 'git_unreachable'],
  ])('%s', async (_, path, ref, code) => {
    const failing = resolveCommit({ url: url + path, ref }, NO_SECRETS, LOCAL, never());
    await expect(failing).rejects.toThrow(SourceUnresolved);
    await expect(failing).rejects.toMatchObject({ failure: { code } });
  });

  test('nobody there', async () => {
    const failing = resolveCommit({ url: 'http://127.0.0.1:1/app.git' }, NO_SECRETS, LOCAL, never());
    await expect(failing).rejects.toMatchObject({ failure: { code: 'git_unreachable' } });
  });

  test('stops at once when the build is canceled', async () => {
    const stop = new AbortController();
    const asked = new Promise<void>((resolve) => server.once('request', () => resolve()));
    const hanging = resolveCommit({ url: `${url}/hang/app.git` }, NO_SECRETS, LOCAL, stop.signal);
    await asked;
    stop.abort('cancel');
    await expect(hanging).rejects.not.toThrow(SourceUnresolved);
  });
});

describe('where git may go', () => {
  const refused = { failure: { code: 'git_host_refused' } };
  /** Names that this machine has, or seems to. */
  const guard = (allowed: string, names: Readonly<Record<string, readonly string[]>>) => {
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      const addresses = names[name] ?? [];
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    };
    const { port } = new URL(url);
    const made = new OutgoingGuard(allowed === '' ? NO_ALLOWED_HOSTS : allowedHosts.parse(allowed), resolve);
    return { asked, port, resolve: (at: string) => resolveCommit({ url: at }, NO_SECRETS, made, never()) };
  };
  const requests = () => {
    const seen: string[] = [];
    const listener = (request: IncomingMessage) =>
      void seen.push(`${request.headers.host}${request.url?.split('?')[0]}`);
    server.on('request', listener);
    return { seen, [Symbol.dispose]: () => void server.off('request', listener) };
  };

  test('not to an address of this network, by name or by itself, unless that is allowed', async () => {
    using sent = requests();
    const { port, resolve } = guard('', { 'git.test': ['127.0.0.1'] });
    await expect(resolve(`${url}/app.git`)).rejects.toMatchObject(refused);
    await expect(resolve(`http://git.test:${port}/app.git`)).rejects.toMatchObject(refused);
    await expect(resolve('git://git.test/app.git')).rejects.toMatchObject(refused);
    expect(sent.seen).toEqual([]);
  });

  test('to the addresses that were checked, whatever the name leads to by then', async () => {
    // Nobody else knows this name: git can have its address only from the check.
    const { port, resolve } = guard('git.test', { 'git.test': ['127.0.0.1'] });
    expect(await resolve(`http://git.test:${port}/app.git`)).toBe(commits.third);
  });

  test('where a server sends it, if it may go there, with the token for its first address only', async () => {
    const { port, resolve } = guard('git.test,new.test', { 'git.test': ['127.0.0.1'], 'new.test': ['127.0.0.1'] });
    using sent = requests();
    expect(await resolve(`http://git.test:${port}/moved-to/new.test:${port}/app.git`)).toBe(commits.third);
    expect(sent.seen.at(-1)).toMatch(/^new\.test:\d+\/app\.git\//);
  });

  test('not where a server sends it that it may not go', async () => {
    const names = { 'git.test': ['127.0.0.1'], 'inner.test': ['127.0.0.1'] };
    const { port, resolve } = guard('git.test', names);
    for (const target of [`inner.test:${port}`, `127.0.0.1:${port}`]) {
      using sent = requests();
      const at = `http://git.test:${port}/moved-to/${encodeURIComponent(target)}/app.git`;
      await expect(resolve(at)).rejects.toMatchObject(refused);
      expect(sent.seen.filter((one) => !one.startsWith('git.test'))).toEqual([]);
    }
  });

  test('a name that can’t be looked up is git’s to complain of', async () => {
    const { resolve } = guard('', {});
    await expect(resolve('http://nowhere.invalid/app.git')).rejects.toMatchObject({
      failure: { code: 'git_unreachable' },
    });
  });
});
