import { request as httpRequest } from 'node:http';
import { createdToken, type Problem, tokenList } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tarOf } from '../testing/pack.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const GIT = { source: { type: 'git', url: 'https://git.example/app' } };
let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({}, { redis });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});
beforeEach(() => {
  api.logged.length = 0;
});

const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;
const problemOf = async (answer: Response) => (await answer.json()) as Problem;
const idsIn = async (answer: Response) =>
  ((await answer.json()) as { builds: { id: string }[] }).builds.map(({ id }) => id);

async function uploadAs(headers: Record<string, string>, request: object, tar?: Uint8Array): Promise<Response> {
  const form = new FormData();
  form.set('request', JSON.stringify({ source: { type: 'upload', name: 'app' }, ...request }));
  form.set('context', new Blob([new Uint8Array(tar ?? (await tarOf('Dockerfile')))]));
  return api.fetch('/v1/builds', { method: 'POST', body: form, headers });
}

describe('teams', () => {
  test('a build is of its submitter’s team; another team is refused by name, before the context is read', async () => {
    const web = await api.token({ scopes: BUILDS });
    const own = await api.post('/v1/builds', GIT, web.headers);
    expect(await own.json()).toMatchObject({ team: 'web', trust: 'trusted' });
    expect((await api.post('/v1/builds', { ...GIT, team: 'web' }, web.headers)).status).toBe(202);
    const expected = { code: 'forbidden', errors: [{ field: 'team', got: '"ops"' }] };
    expect(await problemOf(await api.post('/v1/builds', { ...GIT, team: 'ops' }, web.headers))).toMatchObject(expected);
    const before = await api.temps();
    expect(await problemOf(await uploadAs(web.headers, { team: 'ops' }))).toMatchObject(expected);
    expect(await api.temps()).toEqual(before);
    expect(await (await api.post('/v1/builds', GIT)).json()).toMatchObject({ team: 'default' });
  });

  test('lists hold a team’s own, whatever is asked for', async () => {
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

  test('hosts show a team its own builds only; operators all of them', async () => {
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

  test('one team’s idempotency key says nothing of another’s build', async () => {
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

  test('knowing a digest gives nobody a context: only the team that uploaded it may name it', async () => {
    const [web, ops] = [await api.token({ team: 'g', scopes: BUILDS }), await api.token({ team: 'h', scopes: BUILDS })];
    const tar = await tarOf('Dockerfile', 'of-g');
    const uploaded = await uploadAs(web.headers, {}, tar);
    const view = (await uploaded.json()) as { request: { source: { digest: string } } };
    const { digest } = view.request.source;
    const byDigest = { source: { type: 'upload', name: 'app', digest } };
    const missing = { source: { type: 'upload', name: 'app', digest: `sha256:${'0'.repeat(64)}` } };
    expect((await api.post('/v1/builds', byDigest, web.headers)).status).toBe(202);
    const [refused, absent] = await Promise.all(
      [byDigest, missing].map(async (body) => problemOf(await api.post('/v1/builds', body, ops.headers))),
    );
    const { instance: _, errors: __, ...shape } = refused ?? ({} as Problem);
    expect(shape).toMatchObject({ code: 'context_not_found' });
    expect(absent).toMatchObject(shape);
    expect((await api.fetch(`/v1/contexts/${digest}`, { headers: ops.headers })).status).toBe(404);
    expect((await api.fetch(`/v1/contexts/${digest}`, { headers: web.headers })).status).toBe(200);
    // Who has the content itself has uploaded it, and may name it from then on.
    expect((await uploadAs(ops.headers, {}, tar)).status).toBe(202);
    expect((await api.post('/v1/builds', byDigest, ops.headers)).status).toBe(202);
  });
});

describe('trust', () => {
  test('what an untrusted token submits has no secrets and publishes nothing, and stays untrusted', async () => {
    const { headers } = await api.token({ scopes: BUILDS, trust: 'untrusted' });
    const refusal = async (more: object) => problemOf(await api.post('/v1/builds', { ...GIT, ...more }, headers));
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

  test('an untrusted build pushes what a rule of its team’s allows, to the last tag, also when it is retried', async () => {
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
      expect(await problemOf(await submit(['r.example/web/a', tag]))).toMatchObject({
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

    // A rule that is gone counts no more.
    await using strict = await TestApi.start({}, { redis, namespace: own.state.keys.prefix.slice(1, -2) });
    await strict.fetch(`/v1/builds/${again.id}/cancel`, { method: 'POST' });
    expect(await problemOf(await strict.post(`/v1/builds/${again.id}/retry`, ''))).toMatchObject({
      ...{ code: 'forbidden', errors: [{ field: 'output.type', got: '"push"' }] },
    });
  });

  test('no run is shared between trusted and untrusted builds', async () => {
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

  test('a trusted build with secrets is not an untrusted token’s to repeat', async () => {
    const { headers } = await api.token({ team: 'default', scopes: BUILDS, trust: 'untrusted' });
    const { id } = await api.submit({ secrets: { npm: 'hunter2' } });
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    const answer = await api.post(`/v1/builds/${id}/retry`, '', headers);
    expect(await problemOf(answer)).toMatchObject({ code: 'forbidden', errors: [{ field: 'secrets' }] });
  });
});

describe('untrusted credentials beside trusted work of their team', () => {
  async function tokensOf(team: string) {
    const as = (trust: 'trusted' | 'untrusted') => api.token({ team, scopes: BUILDS, trust });
    return { trusted: (await as('trusted')).headers, untrusted: (await as('untrusted')).headers };
  }
  const submit = async (headers: Record<string, string>, request: object = {}) => {
    const answer = await api.post('/v1/builds', { ...GIT, ...request }, headers);
    return { ...((await answer.json()) as { id: string; trust: string; state: string }), status: answer.status };
  };
  const stateOf = async (id: string) => (await api.state.builds.get(id))?.record.state;

  test('an idempotency key that an untrusted credential has used makes a trusted build all the same', async () => {
    const { trusted, untrusted } = await tokensOf('k');
    const key = { 'idempotency-key': 'release-1' };
    const theirs = await submit({ ...untrusted, ...key });
    const ours = await submit({ ...trusted, ...key });
    expect([theirs.trust, ours.trust]).toEqual(['untrusted', 'trusted']);
    expect(ours.id).not.toBe(theirs.id);
    expect((await submit({ ...trusted, ...key })).id).toBe(ours.id);
  });

  test('a concurrency key supersedes only builds of the same trust class', async () => {
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

  test('an untrusted credential cancels untrusted builds only, also where it is of all teams', async () => {
    const { trusted, untrusted } = await tokensOf('x');
    const [ours, theirs] = [await submit(trusted), await submit(untrusted)];
    const cancel = (id: string, headers: Record<string, string>) =>
      api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST', headers });
    const everywhere = await api.token({ team: '*', scopes: BUILDS, trust: 'untrusted' });
    for (const headers of [untrusted, everywhere.headers]) {
      expect(await problemOf(await cancel(ours.id, headers))).toMatchObject({
        ...{ code: 'forbidden', status: 403 },
        errors: [{ field: 'id', got: `${ours.id}, a trusted build` }],
      });
    }
    expect(await stateOf(ours.id)).toBe('queued');
    expect((await cancel(theirs.id, untrusted)).status).toBe(200);
    expect((await cancel(ours.id, trusted)).status).toBe(200);
  });
});

describe('tokens', () => {
  const create = async (body: object, headers: Record<string, string> = {}) =>
    createdToken.parse(await (await api.post('/v1/tokens', body, headers)).json());

  test('are shown once, work, are noted as used, and are gone when revoked', async () => {
    const body = { name: 'ci', team: 'web', scopes: ['builds:read'], expiresInSeconds: 3_600 };
    const answer = await api.post('/v1/tokens', body);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { token, ...created } = createdToken.parse(await answer.json());
    expect(token).toMatch(/^kiln_api_[0-9A-Za-z]{49}$/);
    expect(created).toMatchObject({ name: 'ci', team: 'web', createdBy: 'local admin', scopes: ['builds:read'] });
    expect(Date.parse(created.expiresAt ?? '') - Date.parse(created.createdAt)).toBeCloseTo(3_600_000, -3);
    const headers = { authorization: `Bearer ${token}` };
    expect(await (await api.fetch('/v1/whoami', { headers })).json()).toEqual({
      ...{ kind: 'token', id: created.id, name: 'ci', team: 'web', scopes: ['builds:read'], trust: 'trusted' },
      expiresAt: created.expiresAt,
    });
    const listed = async () => {
      const text = await (await api.fetch('/v1/tokens')).text();
      expect(text).not.toContain(token);
      return tokenList.parse(JSON.parse(text)).tokens.find(({ id }) => id === created.id);
    };
    await expect.poll(async () => (await listed())?.lastUsedAt).toBeDefined();
    const revoked = await api.fetch(`/v1/tokens/${created.id}`, { method: 'DELETE' });
    expect(await revoked.json()).toMatchObject(created);
    expect(await problemOf(await api.fetch('/v1/whoami', { headers }))).toMatchObject({ code: 'unauthorized' });
    expect(await listed()).toBeUndefined();
    expect((await api.fetch(`/v1/tokens/${created.id}`, { method: 'DELETE' })).status).toBe(404);
    expect(api.logged.join('')).not.toContain(token);
  });

  test.each([
    [{ name: '' }, 'name'],
    [{ name: 'a\nb', team: 'web', scopes: ['builds:read'] }, 'name'],
    [{ name: 'x', team: 'web' }, 'scopes'],
    [{ name: 'x', scopes: ['builds:read'] }, 'team'],
    [{ name: 'x', team: 'Web', scopes: ['builds:read'] }, 'team'],
    [{ name: 'x', team: 'web', scopes: ['admin'] }, 'team'],
    [{ name: 'x', team: 'web', scopes: ['root'] }, 'scopes[0]'],
    [{ name: 'x', team: 'web', scopes: ['builds:read'], expiresInSeconds: 0 }, 'expiresInSeconds'],
    [{ name: 'x', kind: 'worker', scopes: ['builds:read'] }, 'scopes'],
    [{ name: 'x', kind: 'worker', team: 'web' }, 'team'],
    [{ name: 'x', kind: 'admin' }, 'kind'],
  ])('%j is refused, naming %s', async (body, field) => {
    const { code, errors } = await problemOf(await api.post('/v1/tokens', body));
    expect([code, errors.map((error) => error.field)]).toEqual(['invalid_request', expect.arrayContaining([field])]);
  });

  test('say what is wrong with them', async () => {
    const { token } = await create({ name: 'x', team: 'web', scopes: ['builds:read'] });
    const expired = await api.token({ expiresAt: Date.now() - 1_000 });
    const refusal = async (bearer: string) =>
      problemOf(await api.fetch('/v1/whoami', { headers: { authorization: `Bearer ${bearer}` } }));
    expect((await refusal(`${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`)).detail).toContain('checksum');
    expect((await refusal(expired.token)).detail).toMatch(new RegExp(`${expired.id}.* expired at 20`));
    const read = await api.fetch('/v1/tokens', { headers: { authorization: `Bearer ${token}` } });
    expect(read.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="admin"');
    expect(await problemOf(read)).toMatchObject({
      detail: 'this needs the scope admin; x has builds:read',
      errors: [{ field: 'scope', got: 'builds:read', expected: 'admin' }],
    });
  });

  test('a revoked one’s streams are cut off, on another process, too; an expired one’s when its time is over', async () => {
    await using other = await TestApi.start({}, { redis, namespace: api.state.keys.prefix.slice(1, -2) });
    const { id } = await api.submit({ team: 'web' });
    await api.run(id);
    const revoked = await api.token({ scopes: BUILDS });
    const expiring = await api.token({ scopes: BUILDS, expiresAt: Date.now() + 500 });
    for (const [token, end] of [
      [revoked, () => api.fetch(`/v1/tokens/${revoked.id}`, { method: 'DELETE' })],
      [expiring, () => undefined],
    ] as const) {
      const stream = await follow(`${other.api.url}/v1/builds/${id}/logs`, token.headers);
      await end();
      await stream.cutOff;
      expect((await other.fetch(`/v1/builds/${id}`, { headers: token.headers })).status).toBe(401);
    }
  });

  test('one that revokes itself is told that it did', async () => {
    const { id, headers } = await api.token({ team: '*', scopes: ['admin'] });
    for (const status of [200, 401]) {
      expect((await api.fetch(`/v1/tokens/${id}`, { method: 'DELETE', headers })).status).toBe(status);
    }
  });

  /** A stream that has begun; `cutOff` resolves when the connection breaks off without an end. */
  function follow(url: string, headers: Record<string, string>): Promise<{ cutOff: Promise<void> }> {
    return new Promise((begun, failed) => {
      httpRequest(url, { headers }, (answer) => {
        if (answer.statusCode !== 200) failed(new Error(`status ${answer.statusCode}`));
        const cutOff = new Promise<void>((resolve) => {
          answer.on('error', () => resolve());
        });
        answer.once('data', () => begun({ cutOff }));
        answer.resume();
      }).end();
    });
  }
});

test('the caller’s address is a trusted proxy’s word for it, and nobody else’s', async () => {
  const seen = async (trustProxy: string[]) => {
    await using own = await TestApi.start({ trustProxy }, { redis });
    await own.fetch('/v1/hosts', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    return own.logged.map((text) => JSON.parse(text).ip).find((ip) => ip !== undefined);
  };
  expect(await seen([])).toBe('127.0.0.1');
  expect(await seen(['127.0.0.0/8'])).toBe('203.0.113.9');
  expect(await seen(['10.0.0.0/8'])).toBe('127.0.0.1');
});
