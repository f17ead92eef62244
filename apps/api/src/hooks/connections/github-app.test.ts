import { ConnectionTokens } from '@kiln/forges';
import { GithubAppApi } from '@kiln/forges/testing';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TestApi } from '../../testing/test-api.ts';
import { repositoryOf, type TestForge } from '../../testing/test-forge.ts';
import { pull, push, TestForges } from '../../testing/test-forges.ts';

const REPO = repositoryOf('github');
const WAIT = { timeout: 60_000, interval: 20 };
let redis: TestRedis;
let forges: TestForges;
let api: TestApi;
let forge: TestForge;
let first: string;
let github: GithubAppApi;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  forges = await TestForges.start(redis);
  ({ api, forge, first } = forges);
  // The git server accepts one token, so the App's are all the same.
  github = await GithubAppApi.start(() => forge.git.token);
  return async () => {
    await github[Symbol.asyncDispose]();
    await forges[Symbol.asyncDispose]();
  };
});

const connect = () =>
  forge.connect('github', {
    ...{ apiUrl: github.url, apiToken: null, githubApp: github.app },
    repositories: [{ match: [REPO], cloneUrl: forge.git.url('/private/app.git') }],
  });

describe('a connection with a GitHub App', () => {
  test('reads the configuration, clones and reports statuses with installation tokens', async () => {
    await connect();
    const delivery = await forge.delivered(push('github', first, first));
    expect(delivery).toMatchObject({ state: 'done' });
    const [build] = await forges.built(delivery);
    const basic = Buffer.from(`x-access-token:${forge.git.token}`).toString('base64');
    expect(Object.values((await api.state.builds.secretsOf(build?.id ?? '')) ?? {})).toEqual([`basic ${basic}`]);
    await vi.waitFor(() => expect(github.statuses).toHaveLength(2), WAIT);
    expect(github.statuses.every(({ path }) => path.startsWith(`/repos/${REPO}/statuses/`))).toBe(true);
    const [, name] = REPO.split('/');
    expect(github.made.every(({ repositories }) => repositories?.join() === name)).toBe(true);
    await forge.delivered(push('github', first, first));
    // There is one more if the end of the superseded build is reported before the newer one.
    await vi.waitFor(() => expect(github.statuses.length).toBeGreaterThanOrEqual(4), WAIT);
    // One token to clone with and one to report with, both cached.
    expect(github.made).toHaveLength(2);
  });

  test('is known to its builds and their retries, whose workers ask it for a new token', async () => {
    await connect();
    const [build] = await forges.built(await forge.delivered(push('github', first, first)));
    await api.fetch(`/v1/builds/${build?.id}/cancel`, { method: 'POST' });
    const answer = await api.fetch(`/v1/builds/${build?.id}/retry`, { method: 'POST' });
    const { id } = (await answer.json()) as { readonly id: string };
    for (const one of [build?.id ?? '', id]) {
      expect(await api.state.builds.record(one)).toMatchObject({
        clonesWith: { connection: 'github', repository: REPO },
      });
    }
  });

  test('builds forks of its private repositories', async () => {
    await connect();
    const head = forge.git.commit({ 'docs/x.md': '1' }, 'feature/tides');
    const [build] = await forges.built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
    expect(build).toMatchObject({ trust: 'untrusted', request: { source: { type: 'upload' }, secrets: [] } });
  });

  test('shows the App, but never its private key', async () => {
    await connect();
    const shown = await (await api.fetch('/v1/connections/github')).text();
    expect(JSON.parse(shown)).toMatchObject({ githubApp: { appId: '4711' } });
    expect(shown).not.toContain('PRIVATE KEY');
    const stored = JSON.stringify(await api.state.redis.hgetall(api.state.keys.connections()));
    expect(stored).not.toContain('PRIVATE KEY');
  });

  test('fails a delivery with the reason if the App isn’t accepted', async () => {
    await connect();
    github.instead = 401;
    const delivery = await forge.delivered(push('github', first, first));
    expect(delivery).toMatchObject({
      ...{ state: 'failed', tries: 1 },
      failure: { code: 'repository_unreachable', message: expect.stringContaining('GitHub App 4711') },
    });
  });

  test.each([
    [{ githubApp: { appId: '1', privateKey: 'nonsense' } }, 'githubApp.privateKey'],
    [{ githubApp: { appId: '', privateKey: 'nonsense' } }, 'githubApp.appId'],
  ])('refuses %j, naming %s', async (more, field) => {
    await expect(forge.connect('github', more)).rejects.toThrow(`"field":"${field}"`);
    await expect(forge.connect('github', more)).rejects.not.toThrow('nonsense');
  });
});

test('a cached token is replaced before it expires', async () => {
  await connect();
  const connection = await api.state.connections.get('github');
  if (!connection) throw new Error('the connection is gone');
  let nowMs = Date.now();
  const tokens = new ConnectionTokens({ fetch, timeoutMs: 5_000, now: () => nowMs });
  const { signal } = new AbortController();
  github.now = () => nowMs;
  await tokens.api(connection, REPO, signal);
  nowMs += 54 * 60_000;
  await tokens.api(connection, REPO, signal);
  expect(github.made).toHaveLength(1);
  nowMs += 60_000;
  await tokens.api(connection, REPO, signal);
  expect(github.made).toHaveLength(2);
});

test('a cached token serves one repository of the connection as it is now', async () => {
  await connect();
  const connection = await api.state.connections.get('github');
  if (!connection) throw new Error('the connection is gone');
  const tokens = new ConnectionTokens({ fetch, timeoutMs: 5_000, now: Date.now });
  const { signal } = new AbortController();
  await tokens.api(connection, REPO, signal);
  await tokens.api(connection, 'tidewater/other', signal);
  expect(github.made.map(({ repositories }) => repositories)).toEqual([[REPO.split('/')[1]], ['other']]);
  // Another App may have taken the place of the first.
  await tokens.api({ ...connection, updatedAt: connection.updatedAt + 1 }, REPO, signal);
  expect(github.made).toHaveLength(3);
  await tokens.api(connection, REPO, signal);
  expect(github.made).toHaveLength(3);
});
