import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

const GIT = { source: { type: 'git', url: 'https://git.example/app' } };
const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;

describe('untrusted credentials', () => {
  test('submit builds that have no secrets, publish nothing and stay untrusted when retried', async () => {
    const { headers } = await api.token({ scopes: BUILDS, trust: 'untrusted' });
    const refusal = async (more: object) => problemIn(await api.post('/v1/builds', { ...GIT, ...more }, headers));
    expect(await refusal({ secrets: { npm: 'hunter2' } })).toMatchObject({
      ...{ code: 'forbidden', errors: [{ field: 'secrets', got: 'npm' }] },
    });
    for (const type of ['push', 'load']) {
      const problem = await refusal({ output: { type }, tags: ['r.example/a:1'] });
      expect(problem).toMatchObject({ code: 'forbidden', errors: [{ field: 'output.type', got: `"${type}"` }] });
    }
    const accepted = await api.post('/v1/builds', { ...GIT, output: { type: 'artifact' } }, headers);
    const { id } = (await accepted.json()) as { id: string };
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    expect(await (await api.post(`/v1/builds/${id}/retry`, '')).json()).toMatchObject({ trust: 'untrusted' });
  });

  test('push only images that a rule of their team allows, for every tag, also on a retry', async () => {
    const untrustedPush = [{ team: 'web', pattern: 'r.example/web/**' }, { pattern: 'r.example/previews/*' }];
    await using own = await TestApi.start({ untrustedPush }, { redis });
    const { headers } = await own.token({ scopes: BUILDS, trust: 'untrusted' });
    const submit = (tags: string[], as: Record<string, string> = headers) =>
      own.post('/v1/builds', { ...GIT, output: { type: 'push' }, tags }, as);
    const accepted = await submit(['r.example/previews/app:pr-1', 'r.example/web/a/b']);
    expect(accepted.status).toBe(202);
    const { id } = (await accepted.json()) as { id: string };
    expect((await own.state.builds.get(id))?.record).toMatchObject({ trust: 'untrusted', granted: { push: true } });
    for (const tag of [
      'r.example/previews/a/b',
      'r.example/previews',
      'other.example/previews/app',
      'r.example:443/web/a',
    ]) {
      expect(await problemIn(await submit(['r.example/web/a', tag]))).toMatchObject({
        ...{ code: 'forbidden', status: 403 },
        errors: [
          {
            ...{ field: 'tags[1]', got: `"${tag}"` },
            expected: 'an image that matches r.example/web/** or r.example/previews/*, since the build is untrusted',
          },
        ],
      });
    }
    const ops = await own.token({ team: 'ops', scopes: BUILDS, trust: 'untrusted' });
    expect((await submit(['r.example/web/a'], ops.headers)).status).toBe(403);

    await own.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    const again = (await (await own.post(`/v1/builds/${id}/retry`, '')).json()) as { id: string };
    expect((await own.state.builds.get(again.id))?.record).toMatchObject({
      trust: 'untrusted',
      granted: { push: true },
    });
    const trusted = await own.submit({ output: { type: 'push' }, tags: ['any.example/app'] });
    expect((await own.state.builds.get(trusted.id))?.record.granted).toBeUndefined();

    // A removed rule no longer counts.
    await using strict = await TestApi.start({}, { redis, namespace: own.state.keys.prefix.slice(1, -2) });
    await strict.fetch(`/v1/builds/${again.id}/cancel`, { method: 'POST' });
    expect(await problemIn(await strict.post(`/v1/builds/${again.id}/retry`, ''))).toMatchObject({
      ...{ code: 'forbidden', errors: [{ field: 'output.type', got: '"push"' }] },
    });
  });

  test('share no run with trusted builds', async () => {
    const [trusted, untrusted] = [
      await api.token({ team: 'i', scopes: BUILDS }),
      await api.token({ team: 'i', scopes: BUILDS, trust: 'untrusted' }),
    ];
    const sharedRun = async (headers: Record<string, string>) => {
      const answer = await api.post('/v1/builds', { ...GIT, dedupe: true }, headers);
      return ((await answer.json()) as { sharedRun?: string }).sharedRun;
    };
    expect(await sharedRun(trusted.headers)).toBeUndefined();
    expect(await sharedRun(untrusted.headers)).toBeUndefined();
    expect(await sharedRun(untrusted.headers)).toBeDefined();
  });

  test('may not retry a trusted build with secrets', async () => {
    const { headers } = await api.token({ team: 'default', scopes: BUILDS, trust: 'untrusted' });
    const { id } = await api.submit({ secrets: { npm: 'hunter2' } });
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    const answer = await api.post(`/v1/builds/${id}/retry`, '', headers);
    expect(await problemIn(answer)).toMatchObject({ code: 'forbidden', errors: [{ field: 'secrets' }] });
  });
});

describe('untrusted and trusted credentials of one team', () => {
  async function tokensOf(team: string) {
    const as = (trust: 'trusted' | 'untrusted') => api.token({ team, scopes: BUILDS, trust });
    return { trusted: (await as('trusted')).headers, untrusted: (await as('untrusted')).headers };
  }
  const submit = async (headers: Record<string, string>, request: object = {}) => {
    const answer = await api.post('/v1/builds', { ...GIT, ...request }, headers);
    return { ...((await answer.json()) as { id: string; trust: string; state: string }), status: answer.status };
  };
  const stateOf = async (id: string) => (await api.state.builds.get(id))?.record.state;

  test('have idempotency keys of their own, so that an untrusted key can’t replace a trusted build', async () => {
    const { trusted, untrusted } = await tokensOf('k');
    const key = { 'idempotency-key': 'release-1' };
    const theirs = await submit({ ...untrusted, ...key });
    const ours = await submit({ ...trusted, ...key });
    expect([theirs.trust, ours.trust]).toEqual(['untrusted', 'trusted']);
    expect(ours.id).not.toBe(theirs.id);
    expect((await submit({ ...trusted, ...key })).id).toBe(ours.id);
  });

  test('have concurrency keys of their own: a key supersedes only builds of the same trust class', async () => {
    const { trusted, untrusted } = await tokensOf('c');
    const request = { concurrencyKey: 'main', supersede: 'running' };
    const ours = await submit(trusted, request);
    const theirs = await submit(untrusted, request);
    expect([await stateOf(ours.id), await stateOf(theirs.id)]).toEqual(['queued', 'queued']);
    await submit(untrusted, request);
    expect([await stateOf(ours.id), await stateOf(theirs.id)]).toEqual(['queued', 'canceled']);
    await submit(trusted, request);
    expect(await stateOf(ours.id)).toBe('canceled');
  });

  test('cancel separately: an untrusted one, even of all teams, cancels only untrusted builds', async () => {
    const { trusted, untrusted } = await tokensOf('x');
    const [ours, theirs] = [await submit(trusted), await submit(untrusted)];
    const cancel = (id: string, headers: Record<string, string>) =>
      api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST', headers });
    const everywhere = await api.token({ team: '*', scopes: BUILDS, trust: 'untrusted' });
    for (const headers of [untrusted, everywhere.headers]) {
      expect(await problemIn(await cancel(ours.id, headers))).toMatchObject({
        ...{ code: 'forbidden', status: 403 },
        errors: [{ field: 'id', got: `${ours.id}, a trusted build` }],
      });
    }
    expect(await stateOf(ours.id)).toBe('queued');
    expect((await cancel(theirs.id, untrusted)).status).toBe(200);
    expect((await cancel(ours.id, trusted)).status).toBe(200);
  });
});
