import { type DeliveryView, FORGES } from '@kiln/contracts';
import { repoOrigin } from '@kiln/domain';
import { SECRET } from '@kiln/forges/testing';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TestApi } from '../../testing/test-api.ts';
import { hook, recordedEvent, repositoryOf, type TestForge } from '../../testing/test-forge.ts';
import { CONFIG, outcomes, pull, push, TestForges } from '../../testing/test-forges.ts';

const REPO = repositoryOf('github');
let redis: TestRedis;
let forges: TestForges;
let api: TestApi;
let forge: TestForge;
let first: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  forges = await TestForges.start(redis);
  ({ api, forge, first } = forges);
  return () => forges[Symbol.asyncDispose]();
});

describe('a push', () => {
  test.each(FORGES)('of %s builds what it changed, at its commit, for the connection’s team', async (name) => {
    const second = forge.git.commit({ 'services/api/a.ts': '2' });
    const answer = await forge.send(push(name, first, second));
    const { id } = (await answer.json()) as DeliveryView;
    const delivery = await forge.settled(id);
    expect(delivery).toMatchObject({ state: 'done', tries: 1, forge: name, team: 'web' });
    // GitHub's payload lists all changed paths. For the others, Kiln asks git.
    const both = name === 'github';
    expect(outcomes(delivery)).toEqual({ api: 'built', docs: both ? 'built' : 'skipped' });
    expect(delivery.reasons).toEqual(
      both ? [] : [expect.stringContaining('docs: no changed path (services/api/a.ts)')],
    );
    const [build] = await forges.built(delivery);
    expect(build).toMatchObject({
      ...{ team: 'web', trust: 'trusted', state: 'queued' },
      createdBy: { kind: 'webhook', id: `connection:${build?.createdBy?.name}` },
      request: {
        source: { type: 'git', url: forge.git.url(), ref: second, subdir: 'services/api' },
        supersede: 'running',
      },
    });
  });

  test('builds in the default cache mode of its repo where neither file nor connection names one, from an archive of the branch', async () => {
    const { modeDefaults } = api.state;
    await modeDefaults.set('web', { repo: repoOrigin(forge.git.url()), mode: 'archive', setAt: 1, setBy: 'me' });
    const caches = async () => {
      const delivery = await forge.delivered(push('github', first, forge.git.commit({ 'services/api/a.ts': '2' })));
      return (await forges.built(delivery)).map(({ request }) => request.cache);
    };
    expect(await caches()).toContainEqual({ mode: 'archive', key: 'main' });
    await forge.connect('github', { repositories: [{ match: [REPO], cloneUrl: forge.git.url(), cacheMode: 'warm' }] });
    expect(await caches()).toContainEqual({ mode: 'warm' });
  });

  test('is answered with its builds if they are made in time; other events are answered with the reason for none', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    await forge.delivered(push('gitea', first, second));
    // A busy machine may need longer than the answer waits, so these wait for the end of the delivery.
    const answers: Promise<DeliveryView>[] = ['ping', 'pull_request-labeled', 'push-deleted'].map(
      async (fixture) => (await forge.send(hook('github', fixture))).json() as Promise<DeliveryView>,
    );
    const [ping, labeled, deleted] = await Promise.all(answers.map(async (one) => forge.settled((await one).id)));
    expect(ping).toMatchObject({ state: 'done', builds: [], reasons: ['ping: the connection works'] });
    expect(labeled?.reasons).toEqual(['pull request labeled: no new commits']);
    expect(deleted?.reasons).toEqual([expect.stringContaining('was deleted')]);
  });

  test('that is delivered twice under one id is built once, and again after a failure that was fixed', async () => {
    const one = push('github', first, first);
    const [a, b] = await Promise.all([forge.delivered(one), forge.delivered(one)]);
    expect(a.builds).toHaveLength(2);
    expect(b).toMatchObject({ id: a.id, builds: a.builds });
    expect(await forges.builds()).toHaveLength(2);

    const missing = push('github', first, 'ab'.repeat(20));
    const failed = await forge.delivered(missing);
    expect(failed).toMatchObject({ state: 'failed', tries: 12, failure: { code: 'commit_missing' }, builds: [] });
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const again = push('github', first, forge.git.commit({}), { id: 'mended' });
    const refused = await forge.delivered(again);
    expect(refused).toMatchObject({ state: 'failed', tries: 1, failure: { code: 'repository_unreachable' } });
    forge.git.instead = undefined;
    const mended = await forge.delivered(again);
    expect(mended).toMatchObject({ id: refused.id, state: 'done' });
    expect(mended.failure).toBeUndefined();
    expect(mended.builds).toHaveLength(2);
  });

  test('of a known commit asks git only for the tip of the branch, but shares nothing between connections', async () => {
    await forge.delivered(push('github', first, first));
    forge.git.seen.length = 0;
    const again = await forge.delivered(push('github', first, first));
    expect(again.builds).toHaveLength(2);
    expect(forge.git.seen.map(({ path }) => path)).toEqual(['/app.git/info/refs', '/app.git/git-upload-pack']);
    forge.git.seen.length = 0;
    await api.fetch('/v1/connections/other', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ forge: 'github', team: 'ops', webhookSecret: SECRET },
        repositories: [{ match: [REPO], cloneUrl: forge.git.url() }],
      }),
    });
    const answer = await forge.send(push('github', first, first), 'other');
    await forge.settled(((await answer.json()) as DeliveryView).id);
    expect(forge.git.seen.length).toBeGreaterThan(0);
  });

  test('of a repository or server that the connection doesn’t cover builds nothing', async () => {
    const other = await forge.delivered(push('github', first, first, { texts: { [REPO]: 'evil/harbor' } }));
    expect(other).toMatchObject({
      builds: [],
      reasons: ['connection github doesn’t cover the repository evil/harbor'],
    });
    await forge.connect('github', { repositories: [{ match: ['**'] }], url: 'https://code.example' });
    forge.git.seen.length = 0;
    const elsewhere = await forge.delivered(push('github', first, first));
    expect(elsewhere.reasons).toEqual([expect.stringContaining('isn’t at https://code.example')]);
    expect(forge.git.seen).toEqual([]);
  });

  test('of a private repository is read with the connection’s token, which its trusted builds get, too', async () => {
    const cloneUrl = forge.git.url('/private/app.git');
    await forge.connect('github', { repositories: [{ match: [REPO], cloneUrl }], gitToken: forge.git.token });
    const delivery = await forge.delivered(push('github', first, first));
    const [build] = await forges.built(delivery);
    const host = new URL(cloneUrl).host;
    expect(build?.request.secrets).toEqual([`GIT_AUTH_HEADER.${host}`]);
    const secrets = await api.state.builds.secretsOf(build?.id ?? '');
    const basic = Buffer.from(`x-access-token:${forge.git.token}`).toString('base64');
    expect(secrets).toEqual({ [`GIT_AUTH_HEADER.${host}`]: `basic ${basic}` });
    expect(JSON.stringify(delivery)).not.toContain(forge.git.token);
  });
});

describe('a pull request', () => {
  test.each([
    ['github', 'pull_request-opened', 'pull_request-closed'],
    ['gitlab', 'merge_request-open', 'merge_request-close'],
    ['gitea', 'pull_request-opened', 'pull_request-closed'],
    ['bitbucket', 'pullrequest-created', 'pullrequest-rejected'],
  ] as const)(
    'of %s builds what it changed against its base, and cancels its builds when it is closed',
    async (name, opened, closed) => {
      const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
      forge.git.commit({ 'docs/later.md': 'of main alone' }, 'main', 'main');
      const delivery = await forge.delivered(pull(name, opened, name === 'bitbucket' ? head.slice(0, 12) : head));
      expect(outcomes(delivery)).toEqual({ api: 'built', docs: 'skipped' });
      expect(delivery.events[0]).toMatchObject({ commit: head, repository: repositoryOf(name) });
      const gone = await forge.delivered(hook(name, closed));
      expect(gone.events[0]).toMatchObject({ canceled: delivery.builds, images: [] });
      expect((await forges.built(delivery))[0]).toMatchObject({ state: 'canceled' });
    },
  );

  test('from a fork is untrusted: it gets no secrets, and pushes only what a rule allows; or it isn’t built', async () => {
    const head = forge.git.commit(
      { 'docs/x.md': '1', '.kiln.yaml': CONFIG.replace('{sha}', 'pr-{pr}') },
      'feature/tides',
    );
    const opened = () => forge.delivered(pull('github', 'pull_request-opened-fork', head));
    const repository = { match: [REPO], cloneUrl: forge.git.url() };
    await forge.connect('github', { gitToken: 'secret', repositories: [repository] });
    const [plain] = await forges.built(await opened());
    expect(plain).toMatchObject({ trust: 'untrusted', request: { secrets: [], tags: [], output: { type: 'none' } } });
    await forge.connect('github', { repositories: [{ ...repository, untrustedPush: ['r.example/**'] }] });
    const [pushing] = await forges.built(await opened());
    expect(pushing).toMatchObject({
      trust: 'untrusted',
      request: { tags: ['r.example/docs:pr-42'], output: { type: 'push' } },
    });
    await forge.connect('github', { repositories: [{ ...repository, forks: 'ignore' }] });
    const ignored = await opened();
    expect(ignored).toMatchObject({
      builds: [],
      reasons: [expect.stringContaining('doesn’t build pull requests from forks'), expect.anything()],
    });
  });

  test('from a fork can be retried: untrusted, from the same source, pushing what its connection allows now', async () => {
    const config = CONFIG.replace('{sha}', 'pr-{pr}');
    const head = forge.git.commit({ 'docs/x.md': '1', '.kiln.yaml': config }, 'feature/tides');
    const repository = { match: [REPO], cloneUrl: forge.git.url() };
    await forge.connect('github', { repositories: [{ ...repository, untrustedPush: ['r.example/**'] }] });
    const [build] = await forges.built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
    await api.fetch(`/v1/builds/${build?.id}/cancel`, { method: 'POST' });
    const retry = () => api.fetch(`/v1/builds/${build?.id}/retry`, { method: 'POST' });
    const answer = await retry();
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({
      ...{ retryOf: build?.id, trust: 'untrusted', state: 'queued' },
      request: {
        source: { url: forge.git.url(), ref: head },
        tags: ['r.example/docs:pr-42'],
        output: { type: 'push' },
      },
    });
    await forge.connect('github', { repositories: [repository] });
    const refused = await retry();
    expect([refused.status, await refused.json()]).toMatchObject([403, { code: 'forbidden' }]);
  });

  test('cancels retries of its builds, and retries of those, when it is closed', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const { builds } = await forge.delivered(pull('github', 'pull_request-opened', head));
    const again = async (id = '') => {
      await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
      const answer = await api.fetch(`/v1/builds/${id}/retry`, { method: 'POST' });
      return ((await answer.json()) as { id: string }).id;
    };
    const first = await again(builds[0]);
    const second = await again(first);
    const closed = await forge.delivered(hook('github', 'pull_request-closed'));
    expect(closed.events[0]?.canceled).toEqual([second]);
    expect(await api.view(second)).toMatchObject({ state: 'canceled', retryOf: first });
    const asked = await again(first);
    expect(await api.view(asked)).toMatchObject({ state: 'queued', retryOf: first });
  });

  test('cancels its builds when it is closed even if its repository can no longer be read', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const opened = await forge.delivered(pull('github', 'pull_request-opened', head));
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const closed = await forge.delivered(hook('github', 'pull_request-closed'));
    expect(closed).toMatchObject({ state: 'done', events: [{ canceled: opened.builds }] });
  });
});

describe('a re-run by hand', () => {
  test('builds the one image again, untrusted if it was untrusted before', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const event = recordedEvent('github', 'check_run-rerequested');
    if (event.type !== 'rerun') throw new Error('no re-run');
    const commits = { [event.commit]: head };
    const again = await forge.delivered(hook('github', 'check_run-rerequested', { commits }));
    expect(outcomes(again)).toEqual({ api: 'built', docs: 'skipped' });
    expect((await forges.built(again))[0]).toMatchObject({ trust: 'trusted' });

    const [fork] = await forges.built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
    expect(fork?.trust).toBe('untrusted');
    const texts = { [event.check?.externalId ?? '']: fork?.id ?? '' };
    const rerun = await forge.delivered(hook('github', 'check_run-rerequested', { commits, texts }));
    expect((await forges.built(rerun))[0]).toMatchObject({ trust: 'untrusted', request: { secrets: [] } });
  });
});

describe('the configuration', () => {
  test('that is invalid fails the delivery, naming line and column, and is reported at the commit', async () => {
    const bad = forge.git.commit({ '.kiln.yaml': 'version: 1\nimages:\n  - name: Api\n' });
    const delivery = await forge.delivered(push('github', first, bad));
    expect(delivery).toMatchObject({ state: 'failed', tries: 1, failure: { code: 'config_invalid' } });
    expect(delivery.failure?.message).toContain('line 3, column 5');
    await vi.waitFor(() => expect(forge.statuses.seen).toHaveLength(1), { timeout: 60_000 });
    expect(forge.statuses.seen[0]?.body).toMatchObject({ state: 'error', context: 'kiln' });
    expect(forge.statuses.seen[0]?.path).toBe(`/repos/${REPO}/statuses/${bad}`);
  });

  test('of the server applies if the repository has none', async () => {
    const none = forge.git.commit({ '.kiln.yaml': '' });
    const commit = forge.git.commit({ '.kiln.yaml': null });
    const without = await forge.delivered(push('github', none, commit));
    expect(without).toMatchObject({
      state: 'done',
      builds: [],
      reasons: ['there is no .kiln.yaml, and the server has no configuration for this repository'],
    });
    const config = { version: 1 as const, on: { push: null }, images: [{ name: 'all' }] };
    await forge.connect('github', { repositories: [{ match: [REPO], cloneUrl: forge.git.url(), config }] });
    expect(outcomes(await forge.delivered(push('github', none, commit)))).toEqual({ all: 'built' });
  });

  test('that names unknown secrets builds the other images', async () => {
    const commit = forge.git.commit({ '.kiln.yaml': `${CONFIG}  - { name: signed, secrets: [KEY] }\n` });
    const delivery = await forge.delivered(push('github', first, commit));
    expect(outcomes(delivery)).toEqual({ api: 'built', docs: 'built', signed: 'refused' });
    expect(delivery.reasons).toEqual([expect.stringMatching(/^signed: .*create it with kiln secret set KEY$/)]);
  });
});
