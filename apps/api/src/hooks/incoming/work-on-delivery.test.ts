import { type BuildView, type DeliveryView, FORGES, type ForgeName } from '@kiln/contracts';
import { SECRET } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestApi } from '../../testing/test-api.ts';
import {
  eventually,
  type HookChange,
  hook,
  replayed,
  repositoryOf,
  said,
  TestForge,
} from '../../testing/test-forge.ts';

const CONFIG = `version: 1
on: { push: null, pull_request: null }
images:
  - { name: api, context: services/api, paths: ['services/api/**'], supersede: running }
  - { name: docs, context: docs, paths: ['docs/**'], tags: ['r.example/docs:{sha}'], output: push }
`;
const REPO = repositoryOf('github');
const LOOPBACK = allowedHosts.parse('loopback');
let redis: TestRedis;
let api: TestApi;
let forge: TestForge;
let first: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  api = await TestApi.start({ hookRetryMs: 1 }, { redis, allowed: LOOPBACK });
  forge = await TestForge.start(api);
  first = forge.git.commit({ '.kiln.yaml': CONFIG, 'services/api/a.ts': '1' });
  for (const name of FORGES) await forge.connect(name);
  return async () => {
    await forge[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  };
});

/** Has a recorded payload of a tag name this commit. */
function commitsOf(name: ForgeName, fixture: string, commit: string) {
  const event = said(name, fixture);
  if (event.type !== 'tag' || event.commit === null) throw new Error('no tag');
  return { [event.commit]: commit };
}

/** A recorded push of `main` that goes from one commit to another. */
function push(name: ForgeName, from: string, to: string, more: HookChange = {}) {
  const event = said(name, 'push');
  if (event.type !== 'push' || event.before === null || event.after === null) throw new Error('no push');
  return hook(name, 'push', { ...more, commits: { [event.before]: from, [event.after]: to, ...more.commits } });
}

function pull(name: ForgeName, fixture: string, head: string, more: HookChange = {}) {
  const event = said(name, fixture);
  if (event.type !== 'pull_request') throw new Error('no pull request');
  return hook(name, fixture, { ...more, commits: { [event.head.commit]: head } });
}

const outcomes = ({ events }: DeliveryView) =>
  Object.fromEntries(events.flatMap(({ images }) => images.map((one) => [one.image, one.outcome])));
const built = async (delivery: DeliveryView): Promise<BuildView[]> =>
  Promise.all(delivery.builds.map((id) => api.view(id)));

describe('a push', () => {
  test.each(FORGES)('of %s builds what it changed, at its commit, for the connection’s team', async (name) => {
    const second = forge.git.commit({ 'services/api/a.ts': '2' });
    const answer = await forge.send(push(name, first, second));
    const { id } = (await answer.json()) as DeliveryView;
    const delivery = await forge.settled(id);
    expect(delivery).toMatchObject({ state: 'done', tries: 1, forge: name, team: 'web' });
    // What GitHub's payload lists is believed; where a payload lists less than all, git says what changed.
    const both = name === 'github';
    expect(outcomes(delivery)).toEqual({ api: 'built', docs: both ? 'built' : 'skipped' });
    expect(delivery.reasons).toEqual(
      both ? [] : [expect.stringContaining('docs: no changed path (services/api/a.ts)')],
    );
    const [build] = await built(delivery);
    expect(build).toMatchObject({
      ...{ team: 'web', trust: 'trusted', state: 'queued' },
      request: {
        source: { type: 'git', url: forge.git.url(), ref: second, subdir: 'services/api' },
        supersede: 'running',
      },
    });
  });

  test('is answered with its builds where they are made in time, and with none for what asks for none', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    await forge.delivered(push('gitea', first, second));
    // Its configuration is known by then; a machine that is busy may still need longer than the answer waits.
    const answers: Promise<DeliveryView>[] = ['ping', 'pull_request-labeled', 'push-deleted'].map(
      async (fixture) => (await forge.send(hook('github', fixture))).json() as Promise<DeliveryView>,
    );
    const [ping, labeled, deleted] = await Promise.all(answers.map(async (one) => forge.settled((await one).id)));
    expect(ping).toMatchObject({ state: 'done', builds: [], reasons: ['a ping: the connection works'] });
    expect(labeled?.reasons).toEqual(['a pull request was labeled: no new commits']);
    expect(deleted?.reasons).toEqual([expect.stringContaining('was deleted')]);
  });

  test('twice, with one id, builds once; once more after a failure that is mended', async () => {
    const one = push('github', first, first);
    const [a, b] = await Promise.all([forge.delivered(one), forge.delivered(one)]);
    expect(a.builds).toHaveLength(2);
    expect(b).toMatchObject({ id: a.id, builds: a.builds });
    expect(await all()).toHaveLength(2);

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

  test('of a commit that is known asks git only where the branch is; what one connection has read is for no other', async () => {
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

  test('of a repository, or from a server, that the connection isn’t for builds nothing', async () => {
    const other = await forge.delivered(push('github', first, first, { texts: { [REPO]: 'evil/harbor' } }));
    expect(other).toMatchObject({ builds: [], reasons: ['connection github isn’t for the repository evil/harbor'] });
    await forge.connect('github', { repositories: [{ match: ['**'] }], url: 'https://code.example' });
    forge.git.seen.length = 0;
    const elsewhere = await forge.delivered(push('github', first, first));
    expect(elsewhere.reasons).toEqual([expect.stringContaining('isn’t at https://code.example')]);
    expect(forge.git.seen).toEqual([]);
  });

  test('of a private repository is read with the connection’s token, and so are its trusted builds', async () => {
    const cloneUrl = forge.git.url('/private/app.git');
    await forge.connect('github', { repositories: [{ match: [REPO], cloneUrl }], gitToken: forge.git.token });
    const delivery = await forge.delivered(push('github', first, first));
    const [build] = await built(delivery);
    const host = new URL(cloneUrl).host;
    expect(build?.request.secrets).toEqual([`GIT_AUTH_HEADER.${host}`]);
    const secrets = await api.state.builds.secretsOf(build?.id ?? '');
    const basic = Buffer.from(`x-access-token:${forge.git.token}`).toString('base64');
    expect(secrets).toEqual({ [`GIT_AUTH_HEADER.${host}`]: `basic ${basic}` });
    expect(JSON.stringify(delivery)).not.toContain(forge.git.token);
  });
});

const all = async () => ((await (await api.fetch('/v1/builds?team=web')).json()) as { builds: BuildView[] }).builds;

describe('order', () => {
  test('a push that comes after a newer one of its branch takes no newer build’s place', async () => {
    const [second, third] = [
      forge.git.commit({ 'services/api/a.ts': '2' }),
      forge.git.commit({ 'services/api/a.ts': '3' }),
    ];
    const newer = await forge.delivered(push('gitea', second, third));
    const late = await forge.delivered(push('gitea', first, second));
    expect(late.builds).toEqual([]);
    expect(late.reasons[0]).toContain('a newer push of main');
    expect((await built(newer)).map(({ state }) => state)).toEqual(['queued']);
    // Taken back on purpose: that is newer than all.
    forge.git.ref('refs/heads/main', second);
    const back = await forge.delivered(push('gitea', third, second));
    expect(back.builds).toHaveLength(1);
    expect((await built(newer)).map(({ state, supersededBy }) => [state, supersededBy])).toEqual([
      ['canceled', back.builds[0]],
    ]);
  });

  test('in order, the newest build is left, however many are worked on at once', async () => {
    const commits = [first, ...[2, 3, 4, 5].map((i) => forge.git.commit({ 'services/api/a.ts': String(i) }))];
    const hooks = commits.slice(1).map((commit, i) => push('gitea', commits[i] ?? '', commit));
    const ids: string[] = [];
    for (const one of hooks) ids.push(((await (await forge.send(one)).json()) as DeliveryView).id);
    await Promise.all(ids.map((id) => forge.settled(id)));
    const left = (await all()).filter(({ state }) => state === 'queued');
    expect(left.map(({ request }) => request.source)).toMatchObject([{ ref: commits.at(-1) }]);
  });

  test('an older change of a pull request, or one of before it was closed, builds nothing', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const at = (time: string): HookChange => ({ texts: { '2026-01-14T08:02:55Z': time } });
    const newer = await forge.delivered(pull('github', 'pull_request-synchronize', head, at('2026-01-14T09:00:00Z')));
    expect(newer.builds).toHaveLength(1);
    const late = await forge.delivered(pull('github', 'pull_request-opened', head, at('2026-01-14T08:59:59Z')));
    expect(late.reasons[0]).toContain('something newer of pull request 42');
    const closed = await forge.delivered(
      hook('github', 'pull_request-closed', { texts: { '2026-01-14T08:02:55Z': '2026-01-14T09:30:00Z' } }),
    );
    expect(closed.events[0]?.canceled).toEqual(newer.builds);
    expect((await built(newer))[0]?.state).toBe('canceled');
    const after = await forge.delivered(pull('github', 'pull_request-synchronize', head, at('2026-01-14T09:10:00Z')));
    expect(after.builds).toEqual([]);
  });
});

describe('a webhook that is sent again under another id', () => {
  test('builds nothing, whether its branch has moved on or not', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    const original = push('gitea', first, second);
    const before = await forge.delivered(original);
    expect(before.builds).toHaveLength(1);
    const again = await forge.delivered(replayed(original));
    expect(again).toMatchObject({ state: 'done', builds: [] });
    expect(again.id).not.toBe(before.id);
    expect(again.reasons).toContain(`docs: the same webhook was delivered before, as ${before.id}`);
    const third = forge.git.commit({ 'docs/x.md': '3' });
    await forge.delivered(push('gitea', second, third));
    expect((await forge.delivered(replayed(original))).builds).toEqual([]);
    const tag = hook('gitea', 'push-tag', { commits: commitsOf('gitea', 'push-tag', third) });
    await forge.delivered(tag);
    expect((await forge.delivered(replayed(tag))).builds).toEqual([]);
    // One of each push, two of the tag.
    expect(await all()).toHaveLength(4);
  });

  test('is built where the branch was put back, and the same push really happened twice', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    const there = push('gitea', first, second);
    await forge.delivered(there);
    forge.git.ref('refs/heads/main', first);
    await forge.delivered(push('gitea', second, first));
    forge.git.ref('refs/heads/main', second);
    expect((await forge.delivered(replayed(there))).builds).toHaveLength(1);
  });

  test('is worked on where the first delivery has failed', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const one = push('gitea', first, second);
    expect((await forge.delivered(one)).state).toBe('failed');
    forge.git.instead = undefined;
    expect((await forge.delivered(replayed(one))).builds).toHaveLength(1);
  });
});

describe('a push that its branch has moved on from', () => {
  test('is built only by an image that asks for every push, though Kiln has never heard of the branch', async () => {
    const every = `${CONFIG}  - { name: every, supersede: none }\n`;
    const second = forge.git.commit({ '.kiln.yaml': every, 'docs/x.md': '2' });
    const third = forge.git.commit({ 'docs/x.md': '3' });
    const old = await forge.delivered(push('github', first, second));
    expect(outcomes(old)).toEqual({ api: 'skipped', docs: 'skipped', every: 'built' });
    expect(old.reasons).toContain(
      `docs: main has moved on to ${third.slice(0, 12)}; supersede: none builds every push all the same`,
    );
    const newest = await forge.delivered(push('github', second, third));
    expect(outcomes(newest)).toEqual({ api: 'built', docs: 'built', every: 'built' });
  });

  test('is not built where the branch is gone', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    forge.git.ref('refs/heads/other', second);
    forge.git.drop('refs/heads/main');
    const old = await forge.delivered(push('github', first, second));
    expect(old.reasons).toContain('docs: there is no branch main any more');
  });
});

describe('a pull request', () => {
  test.each([
    ['github', 'pull_request-opened', 'pull_request-closed'],
    ['gitlab', 'merge_request-open', 'merge_request-close'],
    ['gitea', 'pull_request-opened', 'pull_request-closed'],
    ['bitbucket', 'pullrequest-created', 'pullrequest-rejected'],
  ] as const)(
    'of %s builds what it changed against its base; closed, its builds are canceled',
    async (name, opened, closed) => {
      const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
      forge.git.commit({ 'docs/later.md': 'of main alone' }, 'main', 'main');
      const delivery = await forge.delivered(pull(name, opened, name === 'bitbucket' ? head.slice(0, 12) : head));
      expect(outcomes(delivery)).toEqual({ api: 'built', docs: 'skipped' });
      expect(delivery.events[0]).toMatchObject({ commit: head, repository: repositoryOf(name) });
      const gone = await forge.delivered(hook(name, closed));
      expect(gone.events[0]).toMatchObject({ canceled: delivery.builds, images: [] });
      expect((await built(delivery))[0]).toMatchObject({ state: 'canceled' });
    },
  );

  test('from a fork is untrusted: no secrets, no push but where a rule allows it; or isn’t built', async () => {
    const head = forge.git.commit(
      { 'docs/x.md': '1', '.kiln.yaml': CONFIG.replace('{sha}', 'pr-{pr}') },
      'feature/tides',
    );
    const opened = () => forge.delivered(pull('github', 'pull_request-opened-fork', head));
    const repository = { match: [REPO], cloneUrl: forge.git.url() };
    await forge.connect('github', { gitToken: 'secret', repositories: [repository] });
    const [plain] = await built(await opened());
    expect(plain).toMatchObject({ trust: 'untrusted', request: { secrets: [], tags: [], output: { type: 'none' } } });
    await forge.connect('github', { repositories: [{ ...repository, untrustedPush: ['r.example/**'] }] });
    const [pushing] = await built(await opened());
    expect(pushing).toMatchObject({
      trust: 'untrusted',
      request: { tags: ['r.example/docs:pr-42'], output: { type: 'push' } },
    });
    await forge.connect('github', { repositories: [{ ...repository, forks: 'ignore' }] });
    const ignored = await opened();
    expect(ignored).toMatchObject({
      builds: [],
      reasons: [expect.stringContaining('no pull requests from forks'), expect.anything()],
    });
  });

  test('closed is heard even where its repository can’t be read any more', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const opened = await forge.delivered(pull('github', 'pull_request-opened', head));
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const closed = await forge.delivered(hook('github', 'pull_request-closed'));
    expect(closed).toMatchObject({ state: 'done', events: [{ canceled: opened.builds }] });
  });
});

describe('a re-run by hand', () => {
  test('builds the one image again; untrusted where it was', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const event = said('github', 'check_run-rerequested');
    if (event.type !== 'rerun') throw new Error('no re-run');
    const commits = { [event.commit]: head };
    const again = await forge.delivered(hook('github', 'check_run-rerequested', { commits }));
    expect(outcomes(again)).toEqual({ api: 'built', docs: 'skipped' });
    expect((await built(again))[0]).toMatchObject({ trust: 'trusted' });

    const [fork] = await built(await forge.delivered(pull('github', 'pull_request-opened-fork', head)));
    expect(fork?.trust).toBe('untrusted');
    const texts = { [event.check?.externalId ?? '']: fork?.id ?? '' };
    const rerun = await forge.delivered(hook('github', 'check_run-rerequested', { commits, texts }));
    expect((await built(rerun))[0]).toMatchObject({ trust: 'untrusted', request: { secrets: [] } });
  });
});

describe('the configuration', () => {
  test('that is wrong is a failed delivery that says where, and reported at the commit', async () => {
    const bad = forge.git.commit({ '.kiln.yaml': 'version: 1\nimages:\n  - name: Api\n' });
    const delivery = await forge.delivered(push('github', first, bad));
    expect(delivery).toMatchObject({ state: 'failed', tries: 1, failure: { code: 'config_invalid' } });
    expect(delivery.failure?.message).toContain('line 3, column 5');
    await eventually(() => forge.statuses.seen.length === 1);
    expect(forge.statuses.seen[0]?.body).toMatchObject({ state: 'error', context: 'kiln' });
    expect(forge.statuses.seen[0]?.path).toBe(`/repos/${REPO}/statuses/${bad}`);
  });

  test('of the server counts where the repository has none', async () => {
    const none = forge.git.commit({ '.kiln.yaml': '' });
    const commit = forge.git.commit({ '.kiln.yaml': null });
    const without = await forge.delivered(push('github', none, commit));
    expect(without).toMatchObject({
      state: 'done',
      builds: [],
      reasons: ['there is no .kiln.yaml, and the server has no settings for it'],
    });
    const config = { version: 1 as const, on: { push: null }, images: [{ name: 'all' }] };
    await forge.connect('github', { repositories: [{ match: [REPO], cloneUrl: forge.git.url(), config }] });
    expect(outcomes(await forge.delivered(push('github', none, commit)))).toEqual({ all: 'built' });
  });

  test('that asks for secrets which Kiln doesn’t keep builds the other images', async () => {
    const commit = forge.git.commit({ '.kiln.yaml': `${CONFIG}  - { name: signed, secrets: [KEY] }\n` });
    const delivery = await forge.delivered(push('github', first, commit));
    expect(outcomes(delivery)).toEqual({ api: 'built', docs: 'built', signed: 'refused' });
    expect(delivery.reasons).toEqual([expect.stringMatching(/^signed: .*create it with kiln secret set KEY$/)]);
  });
});

describe('faults', () => {
  test('a git server that is away for a while costs time, and the answer comes within a second all the same', async () => {
    let asked = 0;
    forge.git.instead = (_request, response) => {
      asked += 1;
      if (asked === 3) forge.git.instead = undefined;
      response.writeHead(503).end();
    };
    const delivery = await forge.delivered(push('github', first, first));
    expect(delivery).toMatchObject({ state: 'done' });
    expect(delivery.failure).toBeUndefined();
    expect(delivery.tries).toBeGreaterThan(1);
    expect(delivery.builds).toHaveLength(2);

    const fresh = forge.git.commit({});
    let hung: (() => void) | undefined;
    forge.git.instead = (_request, response) => {
      hung = () => response.writeHead(404).end();
    };
    const before = performance.now();
    const answer = await forge.send(push('github', first, fresh));
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(await answer.json()).toMatchObject({ state: 'pending', builds: [], reasons: [] });
    await eventually(() => hung !== undefined);
    hung?.();
  });

  test('a payload that can’t be read fails for good, and says which field', async () => {
    const delivery = await forge.delivered(push('github', first, first, { texts: { '"refs/heads/main"': '7' } }));
    expect(delivery).toMatchObject({ state: 'failed', tries: 1, failure: { code: 'payload_invalid' } });
    expect(delivery.failure?.message).toContain('ref: holds 7, expected string');
    const broken = hook('github', 'push', { texts: { '{': '(' } });
    expect(await forge.delivered(broken)).toMatchObject({
      failure: { code: 'payload_invalid', message: 'the body is not JSON' },
    });
  });

  test('what a process left behind when it died is worked on by the next one', async () => {
    const { headers, body } = push('github', first, first);
    const received = await api.state.deliveries.receive(
      { connection: 'github', forge: 'github', team: 'web', forgeId: 'left', ip: '', headers },
      body,
    );
    await using _other = await TestApi.start(
      {},
      { redis, allowed: LOOPBACK, namespace: api.state.keys.prefix.slice(1, -2), now: () => Date.now() + 120_000 },
    );
    expect(await forge.settled(received.delivery.id)).toMatchObject({
      state: 'done',
      builds: [expect.anything(), expect.anything()],
    });
  });

  test('redelivered by hand it builds what failed, and nothing twice', async () => {
    const good = await forge.delivered(push('github', first, first));
    const again = await api.fetch(`/v1/hooks/deliveries/${good.id}/redeliver`, { method: 'POST' });
    expect(again.status).toBe(202);
    expect(await forge.settled(good.id)).toMatchObject({ state: 'done', builds: good.builds });
    expect(await all()).toHaveLength(2);
    const fresh = forge.git.commit({});
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const failed = await forge.delivered(push('github', first, fresh));
    expect(failed.state).toBe('failed');
    forge.git.instead = undefined;
    await api.fetch(`/v1/hooks/deliveries/${failed.id}/redeliver`, { method: 'POST' });
    const mended = await forge.until(failed.id, ({ state }) => state === 'done');
    expect(mended.builds).toHaveLength(2);
  });

  test('redelivered while it waits for its next try, by hand or by the forge, it is tried at once', async () => {
    await using slow = await TestApi.start({ hookRetryMs: 100_000_000 }, { redis, allowed: LOOPBACK });
    await using at = await TestForge.start(slow);
    await at.connect('github');
    const away: typeof at.git.instead = (_request, response) => void response.writeHead(503).end();
    for (const by of ['hand', 'forge']) {
      const commit = at.git.commit({ '.kiln.yaml': CONFIG });
      at.git.instead = away;
      const one = push('github', commit, commit);
      const { id } = (await (await at.send(one)).json()) as DeliveryView;
      await at.until(id, ({ retryAt }) => retryAt !== undefined);
      at.git.instead = undefined;
      // What is recorded of a try is there a moment before its job waits.
      await eventually(async () => {
        if (by === 'forge') await at.send(one);
        else await slow.fetch(`/v1/hooks/deliveries/${id}/redeliver`, { method: 'POST' });
        return (await at.delivery(id)).state === 'done';
      });
    }
  });
});
