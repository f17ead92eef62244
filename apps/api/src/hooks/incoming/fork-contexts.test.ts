import { buffer } from 'node:stream/consumers';
import { TestRedis } from '@kiln/state/testing';
import type { Digest } from '@kiln/trees';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { repositoryOf } from '../../testing/test-forge.ts';
import { CONFIG, outcomes, pull, TestForges } from '../../testing/test-forges.ts';

const FORKS = [
  ['github', 'pull_request-opened-fork'],
  ['gitlab', 'merge_request-open-fork'],
  ['gitea', 'pull_request-opened-fork'],
] as const;
let redis: TestRedis;
let forges: TestForges;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  forges = await TestForges.start(redis);
  return () => forges[Symbol.asyncDispose]();
});

/** The directories of a team's tree with their small files, as text. */
async function textOf(team: string, digest: string): Promise<string> {
  const wanted = { directories: [digest as Digest], files: [] };
  const chunks: Buffer[] = [];
  for await (const part of await forges.api.trees.open(team, wanted))
    chunks.push(...(part.type === 'directory' ? [part.object.bytes] : []), await buffer(part.content));
  return Buffer.concat(chunks).toString();
}

test.each(FORKS)(
  'a fork of a private repository of %s is built without the repository’s credential',
  async (name, fixture) => {
    const { forge, api } = forges;
    const cloneUrl = forge.git.url('/private/app.git');
    await forge.connect(name, {
      repositories: [{ match: [repositoryOf(name)], cloneUrl }],
      gitToken: forge.git.token,
    });
    const head = forge.git.commit({ 'docs/x.md': 'of the fork', 'README.md': 'elsewhere' }, 'feature/tides');
    const delivery = await forge.delivered(pull(name, fixture, head));
    expect(outcomes(delivery)).toEqual({ api: 'skipped', docs: 'built' });
    const [build] = await forges.built(delivery);
    expect(build).toMatchObject({
      ...{ trust: 'untrusted', state: 'queued', repo: `${new URL(cloneUrl).host}/private/app//docs` },
      request: { source: { type: 'upload' }, secrets: [] },
    });
    expect(delivery.events[0]).toMatchObject({ commit: head });
    const { source } = build?.request ?? {};
    const text = await textOf(build?.team ?? '', (source?.type === 'upload' && source.digest) || '');
    expect(text).toContain('of the fork');
    expect(text).not.toContain('elsewhere');
    expect(await api.state.builds.secretsOf(build?.id ?? '')).toEqual({});
    expect(JSON.stringify([delivery, build, api.logged])).not.toContain(forge.git.token);
  },
);

test('a fork of a private repository is recognized although the forge answers as if that did not exist', async () => {
  const { forge } = forges;
  const cloneUrl = forge.git.url('/private/app.git');
  await forge.connect('github', {
    repositories: [{ match: [repositoryOf('github')], cloneUrl }],
    gitToken: forge.git.token,
  });
  const head = forge.git.commit({ 'docs/x.md': '1' }, 'feature/tides');
  forge.git.instead = (request, response) => {
    if (request.headers.authorization !== undefined) return forge.git.answer(request, response);
    response.writeHead(404).end();
  };
  const [build] = await forges.built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
  expect(build).toMatchObject({ trust: 'untrusted', request: { source: { type: 'upload' }, secrets: [] } });
});

test('a fork of a public repository is cloned by its build, even if the connection has a credential', async () => {
  const { forge } = forges;
  await forge.connect('github', {
    repositories: [{ match: [repositoryOf('github')], cloneUrl: forge.git.url() }],
    gitToken: forge.git.token,
  });
  const head = forge.git.commit({ 'docs/x.md': '1' }, 'feature/tides');
  const [build] = await forges.built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
  expect(build?.request.source).toMatchObject({ type: 'git', url: forge.git.url(), ref: head });
});

test('an image of a fork whose directory is missing is refused with the reason', async () => {
  const { forge } = forges;
  await forge.connect('github', {
    repositories: [{ match: [repositoryOf('github')], cloneUrl: forge.git.url('/private/app.git') }],
    gitToken: forge.git.token,
  });
  const config = CONFIG.replace('context: docs', 'context: nowhere');
  const head = forge.git.commit({ '.kiln.yaml': config, 'docs/x.md': '1' }, 'feature/tides');
  const delivery = await forge.delivered(pull('github', 'pull_request-opened-fork', head));
  expect(outcomes(delivery)).toMatchObject({ docs: 'refused' });
  expect(delivery.reasons).toContainEqual(expect.stringContaining('has no directory nowhere'));
});
