import { GitServer } from '@kiln/git/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab } from '../testing/lab.ts';

let shared: Lab;
let server: GitServer;
let head: string;
beforeAll(async () => {
  // A new commit in each run: BuildKit caches commits by their id, whatever their remote.
  const dockerfile = `${FROM}\nRUN echo built from git # ${Math.random()}`;
  server = await GitServer.start();
  head = server.commit({ Dockerfile: dockerfile, 'services/web/Dockerfile': `${FROM}\nRUN echo below` });
  shared = await lab();
});
afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const NO_COMMIT = '1234567890123456789012345678901234567890';
const source = (path: string, commit: string, subdir?: string) =>
  ({ type: 'git', url: server.url(`/${path}`), commit, ...(subdir && { subdir }) }) as const;

test('builds a private repository only with its token', async () => {
  const refused = begin(shared.builder, { source: source('private/app.git', head) });
  expect((await refused.outcome).failure?.code).toBe('git_auth_failed');
  const allowed = begin(shared.builder, {
    source: source('private/app.git', head),
    secrets: { GIT_AUTH_TOKEN: server.token },
  });
  expect(await allowed.outcome).toMatchObject({ end: 'succeeded' });
  expect(allowed.output()).toContain('built from git\n');
  expect(JSON.stringify(allowed.records)).not.toContain(server.token);
});

test('builds a directory of a repository whose URL has no .git', async () => {
  const build = begin(shared.builder, { source: source('app', head, 'services/web') });
  expect(await build.outcome).toMatchObject({ end: 'succeeded' });
});

test.each([
  ['git_ref_missing', 'app.git', NO_COMMIT, undefined],
  ['git_unreachable', 'nothing.git', NO_COMMIT, undefined],
  ['git_subdir_missing', 'app.git', undefined, 'services/none'],
])('fails with %s', async (code, path, commit, subdir) => {
  const build = begin(shared.builder, { source: source(path, commit ?? head, subdir) });
  expect((await build.outcome).failure?.code).toBe(code);
});
