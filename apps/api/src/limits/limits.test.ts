import { limitList, limitView, ownLimits } from '@kiln/contracts';
import { limitDefaults } from '@kiln/domain';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { tarOf } from '../testing/pack.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';

const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;
const GIT = { source: { type: 'git', url: 'https://git.example/app' } };

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

const json = (method: string, body: unknown): RequestInit => ({
  method,
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});
const setTeam = async (team: string, change: object) =>
  limitView.parse(await (await api.fetch(`/v1/limits/teams/${team}`, json('PATCH', change))).json());

describe('requests', () => {
  const get = (headers: Record<string, string>, of = api) => of.fetch('/v1/builds', { headers });

  test('are counted by credential and by team across all processes; a refusal says when to retry', async () => {
    await using other = await TestApi.start({}, { redis, namespace: api.state.keys.prefix.slice(1, -2) });
    await setTeam('rated', { requestsPerMinute: 5 });
    const [ci, dev] = [
      await api.token({ team: 'rated', scopes: BUILDS }),
      await api.token({ team: 'rated', scopes: BUILDS }),
    ];
    const first = await get(ci.headers);
    expect(first.headers.get('ratelimit-policy')).toBe('"token";q=3000;w=60, "team";q=5;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"token";r=2999;t=60, "team";r=4;t=(60|59)$/);
    for (const [token, at] of [
      [dev, other],
      [ci, other],
      [dev, api],
      [ci, api],
    ] as const) {
      expect((await get(token.headers, at)).status).toBe(200);
    }
    const refused = await get(dev.headers, other);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(50);
    expect(wait).toBeLessThanOrEqual(60);
    expect(refused.headers.get('ratelimit')).toMatch(/"team";r=0;t=\d+$/);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(await problemIn(refused)).toMatchObject({
      ...{ status: 429, code: 'too_many_requests' },
      errors: [{ field: 'limit requestsPerMinute of the team', expected: 'at most 5' }],
    });
    // A new limit applies at once, also in the other process.
    await setTeam('rated', { requestsPerMinute: 100 });
    await expect.poll(async () => (await get(dev.headers, other)).status, PATIENT).toBe(200);
  });

  test('are limited for one token by its own limit, without affecting other tokens of its team', async () => {
    const [ci, dev] = [await api.token({ scopes: BUILDS }), await api.token({ scopes: BUILDS })];
    const set = await api.fetch(`/v1/limits/tokens/${ci.id}`, json('PATCH', { requestsPerMinute: 1 }));
    expect(limitView.parse(await set.json())).toMatchObject({
      kind: 'token',
      name: ci.id,
      set: { requestsPerMinute: 1 },
    });
    expect((await get(ci.headers)).status).toBe(200);
    expect(await problemIn(await get(ci.headers))).toMatchObject({ code: 'too_many_requests' });
    expect((await get(dev.headers)).status).toBe(200);
    const nobody = await api.fetch(`/v1/limits/tokens/${'0'.repeat(26)}`, json('PATCH', {}));
    expect(await problemIn(nobody)).toMatchObject({ code: 'token_not_found' });
  });

  test('of the local admin, workers and unknown callers are not limited', async () => {
    await using strict = await TestApi.start(
      { limits: limitDefaults({ eachTeam: { requestsPerMinute: 0 }, eachToken: { requestsPerMinute: 0 } }) },
      { redis },
    );
    const worker = await strict.token({ kind: 'worker', team: '*' });
    expect((await strict.fetch('/v1/builds')).headers.get('ratelimit')).toBeNull();
    expect((await strict.fetch('/v1/whoami', { headers: worker.headers })).status).toBe(200);
    expect((await fetch(`${strict.api.url}/healthz`)).status).toBe(200);
    const user = await strict.token({ scopes: BUILDS });
    expect((await strict.fetch('/v1/whoami', { headers: user.headers })).status).toBe(429);
  });
});

describe('builds', () => {
  test('are queued up to the limit; a repeated request is answered all the same', async () => {
    await setTeam('queue', { queuedBuilds: 1 });
    const { headers } = await api.token({ team: 'queue', scopes: BUILDS });
    const key = { ...headers, 'idempotency-key': 'one' };
    const first = (await (await api.post('/v1/builds', GIT, key)).json()) as { id: string };
    const refused = await api.post('/v1/builds', GIT, headers);
    expect(refused.headers.get('retry-after')).toBe('30');
    expect(await problemIn(refused)).toMatchObject({
      ...{ status: 429, code: 'queue_full', detail: '1 builds of the team are already queued, which is the limit' },
      errors: [{ field: 'limit queuedBuilds of the team', expected: 'at most 1 queued builds' }],
    });
    expect(await (await api.post('/v1/builds', GIT, key)).json()).toMatchObject({ id: first.id });
    await api.fetch(`/v1/builds/${first.id}/cancel`, { method: 'POST', headers });
    expect((await api.post(`/v1/builds/${first.id}/retry`, '', headers)).status).toBe(202);
    expect(await problemIn(await api.post(`/v1/builds/${first.id}/retry`, '', headers))).toMatchObject({
      code: 'queue_full',
    });
  });

  test('have contexts up to the limit, in either order of parts and by digest', async () => {
    const tar = await tarOf('Dockerfile', { name: 'big', type: 'file' });
    await setTeam('small', { contextBytes: tar.length - 1 });
    const { headers } = await api.token({ team: 'small', scopes: BUILDS });
    const request = JSON.stringify({ source: { type: 'upload', name: 'app' } });
    const send = (parts: readonly (readonly [string, string | Blob])[], as = headers) => {
      const form = new FormData();
      for (const [name, content] of parts) form.set(name, content);
      return api.fetch('/v1/builds', { method: 'POST', body: form, headers: as });
    };
    const parts = [
      ['request', request],
      ['context', new Blob([new Uint8Array(tar)])],
    ] as const;
    const before = await api.temps();
    for (const order of [parts, [parts[1], parts[0]]]) {
      expect(await problemIn(await send(order))).toMatchObject({ status: 413, code: 'body_too_large' });
    }
    expect(await api.temps()).toEqual(before);
    await setTeam('small', { contextBytes: tar.length });
    const view = (await (await send(parts)).json()) as { id: string; request: { source: { digest: string } } };
    await setTeam('small', { contextBytes: 10 });
    const byDigest = { source: { type: 'upload', name: 'app', digest: view.request.source.digest } };
    expect(await problemIn(await api.post('/v1/builds', byDigest, headers))).toMatchObject({ code: 'body_too_large' });
    await api.fetch(`/v1/builds/${view.id}/cancel`, { method: 'POST' });
    expect(await problemIn(await api.post(`/v1/builds/${view.id}/retry`, '', headers))).toMatchObject({
      code: 'body_too_large',
    });
  });

  test('record their submitter and the limit of their log', async () => {
    const token = await api.token({ team: 'logs', scopes: BUILDS });
    await setTeam('logs', { logBytes: 1_000 });
    await api.fetch(`/v1/limits/tokens/${token.id}`, json('PATCH', { logBytes: 500 }));
    const { id } = (await (await api.post('/v1/builds', GIT, token.headers)).json()) as { id: string };
    expect((await api.state.builds.get(id))?.record).toMatchObject({ submitter: token.id, maxLogBytes: 500 });
    const own = await api.submit({ team: 'logs' });
    const { record } = (await api.state.builds.get(own.id)) ?? {};
    expect([record?.submitter, record?.maxLogBytes]).toEqual([undefined, 1_000]);
  });

  test('are pushed only to registries that both team and token may use', async () => {
    await setTeam('pushers', { registries: ['r.example/pushers/**', 'docker.io'] });
    const { id, headers } = await api.token({ team: 'pushers', scopes: BUILDS });
    const push = (...tags: string[]) => api.post('/v1/builds', { ...GIT, tags, output: { type: 'push' } }, headers);
    expect((await push('r.example/pushers/app:1', 'app')).status).toBe(202);
    expect(await problemIn(await push('app', 'r.example/others/app:1'))).toMatchObject({
      ...{ status: 403, code: 'target_refused' },
      errors: [
        {
          field: 'tags[1]',
          got: '"r.example/others/app:1"',
          expected: 'one that the team pushers may use: r.example/pushers/**, docker.io',
        },
      ],
    });
    const cache = { to: [{ type: 'registry', ref: 'r.example/others/app:cache' }] };
    expect(await problemIn(await api.post('/v1/builds', { ...GIT, cache }, headers))).toMatchObject({
      ...{ code: 'target_refused', errors: [{ field: 'cache.to[0].ref', got: '"r.example/others/app:cache"' }] },
    });
    // Tags that aren't pushed may be any names.
    expect((await api.post('/v1/builds', { ...GIT, tags: ['r.example/others/app'] }, headers)).status).toBe(202);
    await api.fetch(`/v1/limits/tokens/${id}`, json('PATCH', { registries: [] }));
    expect(await problemIn(await push('app'))).toMatchObject({
      errors: [{ field: 'tags[0]', expected: 'none, since test may use none' }],
    });
  });
});

describe('a limit', () => {
  test('is shown with its usage to those it concerns and to admins', async () => {
    await setTeam('seen', { concurrentBuilds: 2, gitHosts: ['git.example'] });
    const { id, headers } = await api.token({ team: 'seen', scopes: BUILDS });
    const build = (await (await api.post('/v1/builds', GIT, headers)).json()) as { id: string };
    await api.post('/v1/builds', GIT, headers);
    await api.run(build.id);
    const own = ownLimits.parse(await (await api.fetch('/v1/limits', { headers })).json());
    expect(own).toMatchObject({
      team: {
        kind: 'team',
        name: 'seen',
        limits: { concurrentBuilds: 2, queuedBuilds: 10_000 },
        running: 1,
        queued: 1,
      },
      token: { kind: 'token', name: id, limits: { requestsPerMinute: 3_000 }, set: {}, running: 1, queued: 1 },
    });
    expect(ownLimits.parse(await (await api.fetch('/v1/limits')).json())).toEqual({});
    const all = limitList.parse(await (await api.fetch('/v1/limits/all')).json());
    expect(all.set.find(({ name }) => name === 'seen')).toMatchObject({
      set: { concurrentBuilds: 2, gitHosts: ['git.example'] },
    });
    expect(await setTeam('seen', { concurrentBuilds: null, gitHosts: null })).toMatchObject({ set: {} });
    const entries = (await api.state.audit.read({}, 1_000)).filter(({ target }) => target === 'team seen');
    expect(entries.at(-1)).toMatchObject({
      action: 'changeTeamLimits',
      details: { change: '{"concurrentBuilds":null,"gitHosts":null}' },
    });
  });

  test.each([
    [{ concurrentBuilds: -1 }, 'concurrentBuilds', 'at least 0'],
    [{ queuedBuilds: 1.5 }, 'queuedBuilds', 'int, or "unlimited"'],
    [{ registries: ['https://r.example'] }, 'registries[0]', 'a host in lower case'],
    [{ registries: ['R.example'] }, 'registries[0]', 'a host in lower case'],
    [{ gitHosts: 'git.example' }, 'gitHosts', 'array'],
    [{ builds: 1 }, 'builds', 'no such field'],
  ])('is not changed by %j', async (change, field, expected) => {
    const { code, errors } = await problemIn(await api.fetch('/v1/limits/teams/x', json('PATCH', change)));
    expect([code, errors[0]?.field]).toEqual(['invalid_request', field]);
    expect(errors[0]?.expected).toContain(expected);
  });
});
