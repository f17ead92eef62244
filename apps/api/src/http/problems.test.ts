import { request as httpRequest } from 'node:http';
import { type OperationId, type Problem, problem, ROUTES, type RouteDoc } from '@kiln/contracts';
import { cpuMs } from '@kiln/runtime/testing';
import { TestRedis } from '@kiln/state/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const JOIN = { tokens: ['a-join-token'], redisUrl: 'redis://r', namespace: 'n', secretKey: 'k' };
const redis = await redisForFile();
const api = await apiForFile({ maxJsonBytes: 10_000, join: JOIN }, { redis });
beforeEach(() => {
  api.logged.length = 0;
});

const ID = '01arz3ndektsv4rrffq69g5fav';
const routes = Object.entries(ROUTES) as [OperationId, RouteDoc][];
const at = (path: string) =>
  path
    .replace(':id', ID)
    .replace(':digest', `sha256:${'0'.repeat(64)}`)
    .replace(':name', `${ID}-1`);

const needsOne = ([, { access }]: [OperationId, RouteDoc]) => access.who !== 'anyone';

/** Parses and checks the problem in an answer. Every answer of this file passes through here. */
async function problemIn(answer: Response): Promise<Problem> {
  const text = await answer.text();
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(text).not.toMatch(/\bat .*\.ts:\d+/);
  const parsed = problem.parse(JSON.parse(text));
  expect(parsed.status).toBe(answer.status);
  expect(parsed.instance).toBe(`urn:kiln:request:${answer.headers.get('x-request-id')}`);
  return parsed;
}

describe('every route of the catalogue', () => {
  test.each(routes.filter(needsOne))('%s requires a credential', async (_id, { method, path }) => {
    for (const authorization of ['', 'Bearer', 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
      const answer = await api.fetch(at(path), { method: method.toUpperCase(), headers: { authorization } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="kiln"/);
      expect(await problemIn(answer)).toMatchObject({ status: 401, code: 'unauthorized' });
    }
  });

  test.each(routes.filter((route) => !needsOne(route) && route[1].tag === 'Service'))(
    '%s requires no credential',
    async (_id, { path }) => {
      const answer = await fetch(api.api.url + path);
      expect(answer.status).toBe(200);
      expect((await answer.text()).length).toBeGreaterThan(0);
    },
  );

  test.each(routes)('%s answers other methods with the allowed ones', async (_id, { path }) => {
    const there = routes.filter(([, route]) => route.path === path).map(([, { method }]) => method.toUpperCase());
    const other = ['DELETE', 'PUT', 'PATCH'].find((method) => !there.includes(method)) ?? '';
    const answer = await api.fetch(at(path), { method: other });
    expect(await problemIn(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    const allowed = answer.headers.get('allow')?.split(', ');
    expect(allowed?.filter((method) => method !== 'HEAD').sort()).toEqual(there.sort());
  });

  test.each(routes.filter(([, { path }]) => path.includes('/:')))(
    '%s names an invalid parameter',
    async (_id, { method, path }) => {
      const answer = await api.fetch(path.replace(/:\w+/, 'no%20such'), { method: method.toUpperCase() });
      const { code, errors } = await problemIn(answer);
      expect(code).toBe('invalid_request');
      expect(errors[0]).toMatchObject({ field: /:(\w+)/.exec(path)?.[1], got: '"no such"' });
    },
  );

  test.each(routes.filter(([, { path }]) => path.includes('/builds/:id')))(
    '%s answers 404 for an unknown build',
    async (_id, { method, path }) => {
      expect(await problemIn(await api.fetch(at(path), { method: method.toUpperCase() }))).toMatchObject({
        status: 404,
        code: 'build_not_found',
      });
    },
  );

  test.each(routes.filter(([, { query }]) => query))(
    '%s names an unknown query parameter',
    async (_id, { method, path }) => {
      const answer = await api.fetch(`${at(path)}?nope=1`, { method: method.toUpperCase() });
      const { code, errors } = await problemIn(answer);
      expect(code).toBe('invalid_request');
      // There may be further errors, for missing parameters.
      expect(errors).toContainEqual(expect.objectContaining({ field: 'query nope', expected: 'no such field' }));
    },
  );
});

describe('an invalid body', () => {
  const post = (body: string, headers: Record<string, string> = {}) => api.post('/v1/builds', body, headers);

  test.each([
    ['{"source": }', 'line 1, column 12'],
    ['{\n  "source": 1,\n  "a"\n}', 'line 4, column 1'],
    ['{"a": 1', 'line 1, column 8'],
    ['', 'nothing'],
    ['{"a": 01}', 'line 1'],
  ])('that is malformed JSON is refused with the position: %j', async (body, where) => {
    const { status, code, errors } = await problemIn(await post(body));
    expect([status, code]).toEqual([400, 'malformed_json']);
    expect(errors[0]?.got).toContain(where);
  });

  test('is never quoted, as it may contain a secret', async () => {
    const answer = await post('{"secrets": {"token": "hunter2"}, "x": hunter3}');
    const text = JSON.stringify(await problemIn(answer)) + api.logged.join('');
    expect(text).not.toMatch(/hunter/);
  });

  test.each([
    ['text', 'text/plain', '{}'],
    ['nothing', '', '{}'],
    ['a form', 'application/x-www-form-urlencoded', 'a=b'],
  ])('with the content type %s is refused', async (_what, type, body) => {
    const answer = await api.fetch('/v1/builds', {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: type ? { 'content-type': type } : {},
    });
    expect(await problemIn(answer)).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
      errors: [{ field: 'header Content-Type' }],
    });
  });

  test('that is compressed, not UTF-8 or too large is refused', async () => {
    expect(await problemIn(await post('{}', { 'content-encoding': 'gzip' }))).toMatchObject({ status: 415 });
    const latin = await api.fetch('/v1/builds', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Uint8Array([0x22, 0xe9, 0x22]),
    });
    expect(await problemIn(latin)).toMatchObject({ code: 'malformed_json' });
    const large = await post(JSON.stringify({ source: 'x'.repeat(20_000) }));
    expect(await problemIn(large)).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  test('is refused with each wrong field, its value and what was expected', async () => {
    const { errors } = await problemIn(
      await post(
        JSON.stringify({
          source: { type: 'git', url: 'ext::sh -c id', ref: '--upload-pack=x' },
          tags: ['ok', 'Bad Tag'],
          timeoutSeconds: '5',
          nope: true,
          secrets: { token: 7, other: 'hunter2' },
        }),
      ),
    );
    expect(Object.fromEntries(errors.map(({ field, got }) => [field, got]))).toEqual({
      'source.url': '"ext::sh -c id"',
      'source.ref': '"--upload-pack=x"',
      'tags[1]': '"Bad Tag"',
      timeoutSeconds: '"5"',
      nope: 'true',
      'secrets.token': 'a value that is not shown',
    });
    expect(api.logged.join('')).not.toContain('hunter2');
  });

  test('is refused if it is an upload without a context, or not a request at all', async () => {
    expect(await problemIn(await post('{"source":{"type":"upload","name":"app"}}'))).toMatchObject({
      errors: [{ field: 'source.digest' }],
    });
    for (const body of ['null', '[]', '"x"', '{"source":{"type":"zip"}}', '{"__proto__":{"source":1}}']) {
      expect(await problemIn(await post(body))).toMatchObject({ status: 400, code: 'invalid_request' });
    }
  });
});

describe('the API', () => {
  test('answers unknown and malformed paths with 404', async () => {
    for (const path of ['/v2/builds', '/builds', '/v1/builds/x/y/z']) {
      expect(await problemIn(await api.fetch(path))).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await problemIn(await api.fetch('/v1/builds/%E0%A4%A'))).toMatchObject({ status: 404 });
  });

  test('tells the version of the API in a header, and to anyone who asks', async () => {
    const { version } = (await (await fetch(`${api.api.url}/v1/version`)).json()) as { version: string };
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    for (const path of ['/v1/version', '/v2/builds']) {
      expect((await fetch(api.api.url + path)).headers.get('kiln-version')).toBe(version);
    }
  });

  test('takes over a valid request id', async () => {
    const get = async (id: string) =>
      (await api.fetch('/healthz', { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await get('ci-42')).toBe('ci-42');
    expect(await get('x'.repeat(200))).not.toContain('xxx');
    expect(await get('a b')).not.toBe('a b');
  });

  test('logs requests without tokens, headers or queries', async () => {
    await api.fetch(`/v1/builds?team=abc&cursor=${ID}`, { headers: { 'x-request-id': 'seen' } });
    const line = api.logged.map((text) => JSON.parse(text)).find(({ requestId }) => requestId === 'seen');
    expect(line).toMatchObject({ msg: 'request', method: 'GET', path: '/v1/builds', status: 200 });
    expect(api.logged.join('')).not.toContain(TOKEN);
  });

  test('answers an error of the store as internal without details, which it logs', async () => {
    await api.state.redis.set(api.state.keys.build(ID), 'not a hash');
    const { status, code, detail } = await problemIn(await api.fetch(`/v1/builds/${ID}`));
    expect([status, code]).toEqual([500, 'internal']);
    expect(detail).not.toContain('WRONGTYPE');
    expect(api.logged.join('')).toContain('WRONGTYPE');
    await api.state.redis.del(api.state.keys.build(ID));
  });

  test('sets security headers', async () => {
    const { headers } = await api.fetch('/v1/hosts');
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-powered-by')).toBeNull();
  });

  test('answers oversized header fields with 431', async () => {
    const status = await new Promise((resolve) => {
      const call = httpRequest(api.api.url, { method: 'GET', headers: { 'x-long': 'x'.repeat(40_000) } }, (answer) =>
        resolve(answer.statusCode),
      );
      call.end();
    });
    expect(status).toBe(431);
  });
});

test('while Redis is away, answers and /readyz are 503, and afterwards they recover', async () => {
  await using own = await TestRedis.start();
  await using away = await TestApi.start({ storeTimeoutMs: 200 }, { redis: own });
  expect((await away.fetch('/readyz')).status).toBe(200);
  await own.down();
  expect(await problemIn(await away.fetch('/v1/builds'))).toMatchObject({ status: 503, code: 'unavailable' });
  expect(await problemIn(await away.fetch('/readyz'))).toMatchObject({ status: 503, code: 'unavailable' });
  expect((await away.fetch('/healthz')).status).toBe(200);
  await own.up();
  expect((await away.fetch('/readyz')).status).toBe(200);
  expect((await away.fetch('/v1/builds')).status).toBe(200);
});

test('a text made for catastrophic backtracking delays nothing', async () => {
  const provenance = `a=${'a,a='.repeat(28)}a `;
  const body = { source: { type: 'git', url: 'https://git.example/app' }, provenance };
  const taken = await cpuMs(async () => {
    const [answer, health] = await Promise.all([api.post('/v1/builds', body), api.fetch('/healthz')]);
    expect([answer.status, health.status]).toEqual([400, 200]);
  });
  expect(taken).toBeLessThan(2_000);
});
