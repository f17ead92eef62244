import { GitServer } from '@kiln/git/testing';
import { allowedHosts, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitDockerfile } from './commit-dockerfile.ts';

const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
const never = new AbortController().signal;
let server: GitServer;
let commit: string;

beforeAll(async () => {
  server = await GitServer.start();
  commit = server.commit({
    Dockerfile: 'FROM root',
    'Dockerfile.dockerignore': 'x',
    'small/dockerfile': 'FROM small',
    'both/Dockerfile': 'FROM large',
    'both/dockerfile': 'FROM small',
    'sub/web.Dockerfile': 'FROM web',
    'links/Dockerfile': { link: '../Dockerfile' },
    'links/dockerfile': 'FROM behind',
    below: { link: 'sub' },
    'large/Dockerfile': 'x'.repeat(1024 * 1024 + 1),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const read = (dockerfile: string, subdir?: string, path?: string, secrets: Record<string, string> = {}) =>
  commitDockerfile(
    { url: server.url(path), commit, subdir },
    { dockerfile },
    new Map(Object.entries(secrets)),
    guard,
    never,
  );

test.each([
  ['Dockerfile', undefined, { text: 'FROM root', ignore: 'x' }],
  ['./Dockerfile', '.', { text: 'FROM root', ignore: 'x' }],
  ['Dockerfile', 'small', { text: 'FROM small' }],
  ['small/Dockerfile', undefined, { text: 'FROM small' }],
  ['Dockerfile', '/both/', { text: 'FROM large' }],
  ['web.Dockerfile', 'sub', { text: 'FROM web' }],
  ['other.Dockerfile', 'sub', undefined],
  ['Dockerfile', 'sub', undefined],
])('reads %s in subdirectory %s of a commit', async (dockerfile, subdir, expected) => {
  expect(await read(dockerfile, subdir)).toEqual(expected);
});

test('rejects for symbolic links, files below them, and files that are too large', async () => {
  await expect(read('Dockerfile', 'links')).rejects.toThrow('links/Dockerfile is a symbolic link, or below one');
  await expect(read('below/web.Dockerfile')).rejects.toThrow('below/web.Dockerfile is a symbolic link, or below one');
  await expect(read('Dockerfile', 'large')).rejects.toThrow('large/Dockerfile is larger than 1048576 bytes');
});

test('opens a private repository with the build’s own token', async () => {
  await expect(read('Dockerfile', undefined, '/private/app.git')).rejects.toThrow();
  const secrets = { GIT_AUTH_TOKEN: server.token };
  expect(await read('Dockerfile', undefined, '/private/app.git', secrets)).toMatchObject({ text: 'FROM root' });
});
