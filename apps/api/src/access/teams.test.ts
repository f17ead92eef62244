import type { Problem } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { tarOf } from '../testing/pack.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

const GIT = { source: { type: 'git', url: 'https://git.example/app' } };
const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;
const idsIn = async (answer: Response) =>
  ((await answer.json()) as { builds: { id: string }[] }).builds.map(({ id }) => id);

async function uploadAs(headers: Record<string, string>, request: object, tar?: Uint8Array): Promise<Response> {
  const form = new FormData();
  form.set('request', JSON.stringify({ source: { type: 'upload', name: 'app' }, ...request }));
  form.set('context', new Blob([new Uint8Array(tar ?? (await tarOf('Dockerfile')))]));
  return api.fetch('/v1/builds', { method: 'POST', body: form, headers });
}

describe('teams', () => {
  test('a build belongs to its submitter’s team; naming another team is refused before the context is read', async () => {
    const web = await api.token({ scopes: BUILDS });
    const own = await api.post('/v1/builds', GIT, web.headers);
    expect(await own.json()).toMatchObject({ team: 'web', trust: 'trusted' });
    expect((await api.post('/v1/builds', { ...GIT, team: 'web' }, web.headers)).status).toBe(202);
    const expected = { code: 'forbidden', errors: [{ field: 'team', got: '"ops"' }] };
    expect(await problemIn(await api.post('/v1/builds', { ...GIT, team: 'ops' }, web.headers))).toMatchObject(expected);
    const before = await api.temps();
    expect(await problemIn(await uploadAs(web.headers, { team: 'ops' }))).toMatchObject(expected);
    expect(await api.temps()).toEqual(before);
    expect(await (await api.post('/v1/builds', GIT)).json()).toMatchObject({ team: 'default' });
  });

  test('a list contains only the team’s own builds, whatever its filter', async () => {
    const [web, ops] = [await api.token({ team: 'a', scopes: BUILDS }), await api.token({ team: 'b', scopes: BUILDS })];
    const { id } = (await (await api.post('/v1/builds', GIT, web.headers)).json()) as { id: string };
    const list = async (query: string, headers: Record<string, string>) =>
      idsIn(await api.fetch(`/v1/builds${query}`, { headers }));
    for (const query of ['', '?team=a', '?state=queued', '?repo=git.example/app']) {
      expect(await list(query, web.headers)).toEqual([id]);
      expect(await list(query, ops.headers)).toEqual([]);
      expect(await list(query, { authorization: `Bearer ${TOKEN}` })).toContain(id);
    }
  });

  test('hosts show a team only its own builds, and operators all builds', async () => {
    const [web, ops, operator] = await Promise.all([
      api.token({ team: 'c', scopes: BUILDS }),
      api.token({ team: 'd', scopes: BUILDS }),
      api.token({ team: 'd', scopes: ['hosts:operate'] }),
    ]);
    const { id } = (await (await api.post('/v1/builds', GIT, web.headers)).json()) as { id: string };
    await api.run(id);
    const seen = async (headers: Record<string, string>) => {
      const answer = await api.fetch('/v1/hosts', { headers });
      const [host] = ((await answer.json()) as { hosts: { builds: { id: string }[]; usedSlots: number }[] }).hosts;
      expect(host?.usedSlots).toBe(1);
      return host?.builds.map((build) => build.id);
    };
    expect([await seen(web.headers), await seen(ops.headers), await seen(operator.headers)]).toEqual([[id], [], [id]]);
  });

  test('the same idempotency key of another team makes another build', async () => {
    const [web, ops] = [await api.token({ team: 'e', scopes: BUILDS }), await api.token({ team: 'f', scopes: BUILDS })];
    const submit = async (headers: Record<string, string>, body: object = GIT) =>
      api.post('/v1/builds', body, { ...headers, 'idempotency-key': 'deploy-1' });
    const first = (await (await submit(web.headers)).json()) as { id: string };
    const other = await submit(ops.headers);
    expect(other.headers.get('idempotency-replayed')).toBeNull();
    expect(((await other.json()) as { id: string }).id).not.toBe(first.id);
    expect((await submit(ops.headers, { ...GIT, target: 'x' })).status).toBe(422);
    expect(await (await submit(web.headers)).json()).toMatchObject({ id: first.id });
  });

  test('only a team that uploaded a context may name it, even if others know its digest', async () => {
    const [web, ops] = [await api.token({ team: 'g', scopes: BUILDS }), await api.token({ team: 'h', scopes: BUILDS })];
    const tar = await tarOf('Dockerfile', 'of-g');
    const uploaded = await uploadAs(web.headers, {}, tar);
    const view = (await uploaded.json()) as { request: { source: { digest: string } } };
    const { digest } = view.request.source;
    const byDigest = { source: { type: 'upload', name: 'app', digest } };
    const missing = { source: { type: 'upload', name: 'app', digest: `sha256:${'0'.repeat(64)}` } };
    expect((await api.post('/v1/builds', byDigest, web.headers)).status).toBe(202);
    const [refused, absent] = await Promise.all(
      [byDigest, missing].map(async (body) => problemIn(await api.post('/v1/builds', body, ops.headers))),
    );
    const { instance: _, errors: __, ...shape } = refused ?? ({} as Problem);
    expect(shape).toMatchObject({ code: 'context_not_found' });
    expect(absent).toMatchObject(shape);
    const read = async (headers: Record<string, string>) =>
      (await api.post('/v1/trees/read', { directories: [digest] }, headers)).status;
    expect([await read(ops.headers), await read(web.headers)]).toEqual([404, 200]);
    // A team that uploads the same content may name it from then on.
    expect((await uploadAs(ops.headers, {}, tar)).status).toBe(202);
    expect((await api.post('/v1/builds', byDigest, ops.headers)).status).toBe(202);
  });
});

test('the caller’s address is taken from X-Forwarded-For only if a trusted proxy sent it', async () => {
  const seen = async (trustProxy: string[]) => {
    await using own = await TestApi.start({ trustProxy }, { redis });
    await own.fetch('/v1/hosts', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    return own.logged.map((text) => JSON.parse(text).ip).find((ip) => ip !== undefined);
  };
  expect(await seen([])).toBe('127.0.0.1');
  expect(await seen(['127.0.0.0/8'])).toBe('203.0.113.9');
  expect(await seen(['10.0.0.0/8'])).toBe('127.0.0.1');
});
