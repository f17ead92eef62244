import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../testing/browser.ts';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
let browser: Browser;
beforeEach(async () => {
  api = await TestApi.start({}, { redis });
  browser = new Browser();
});
afterEach(() => api[Symbol.asyncDispose]());

const post = (path: string, body: unknown, headers: Record<string, string> = { origin: api.api.url }) =>
  browser.fetch(api.api.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const whoami = () => browser.fetch(`${api.api.url}/v1/whoami`);

describe('a session in place of a token', () => {
  test('has the token’s rights, in a cookie that scripts and other sites do not get', async () => {
    const { token, id } = await api.token({ name: 'alice', scopes: ['builds:write'] });
    const answer = await post('/auth/session', { token });
    expect(await answer.json()).toMatchObject({ id, name: 'alice', team: 'web', scopes: ['builds:write'] });
    const cookie = answer.headers.getSetCookie().join();
    expect(cookie).toMatch(/^kiln-session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(await (await whoami()).json()).toMatchObject({ id, name: 'alice' });
    const build = { source: { type: 'git', url: 'https://git.example/app' } };
    expect((await post('/v1/builds', build)).status).toBe(202);
    expect((await post('/v1/builds', build, { origin: 'http://evil.example' })).status).toBe(403);
    expect((await post('/v1/builds', build, {})).status).toBe(403);
    expect(api.logged.join('')).not.toContain(token);
    expect(await redisText()).not.toContain(token);
  });

  test('ends with the token, and its streams with it', async () => {
    const { token, id } = await api.token({ scopes: ['builds:read'] });
    await post('/auth/session', { token });
    const stream = await browser.fetch(`${api.api.url}/v1/builds/events`);
    const reader = stream.body?.getReader();
    await reader?.read();
    expect((await api.fetch(`/v1/tokens/${id}`, { method: 'DELETE' })).status).toBe(200);
    await expect(reader?.read()).rejects.toThrow();
    expect(await problemIn(await whoami())).toMatchObject({ status: 401 });
  });

  test('ends at logout, and not for others with the same token', async () => {
    const { token } = await api.token();
    await post('/auth/session', { token });
    const other = new Browser();
    await other.fetch(`${api.api.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: api.api.url },
      body: JSON.stringify({ token }),
    });
    const cookie = await browser.jar.getCookieString(api.api.url);
    expect((await post('/auth/logout', {})).status).toBe(204);
    expect((await fetch(`${api.api.url}/v1/whoami`, { headers: { cookie } })).status).toBe(401);
    expect((await other.fetch(`${api.api.url}/v1/whoami`)).status).toBe(200);
  });

  test('is refused for an invalid token, a worker’s, to another site, and without either credential', async () => {
    const worker = await api.token({ kind: 'worker', team: '*' });
    const { token } = await api.token();
    expect(await problemIn(await post('/auth/session', { token: 'made-up' }))).toMatchObject({ status: 401 });
    expect(await problemIn(await post('/auth/session', { token: worker.token }))).toMatchObject({ status: 403 });
    expect(await problemIn(await post('/auth/session', { token }, { origin: 'http://evil.example' }))).toMatchObject({
      status: 403,
    });
    expect(await problemIn(await post('/auth/session', {}))).toMatchObject({ errors: [{ field: 'token' }] });
    expect(await problemIn(await post('/auth/session', { token, code: 'x' }))).toMatchObject({ status: 400 });
    expect((await whoami()).status).toBe(401);
  });
});

describe('a login code', () => {
  const codeFor = async (headers: Record<string, string>) =>
    (await (await fetch(`${api.api.url}/auth/codes`, { method: 'POST', headers })).json()) as { code: string };

  test('logs in one browser with the rights of the token that asked for it', async () => {
    const { headers, id } = await api.token({ name: 'alice' });
    const { code } = await codeFor(headers);
    expect(await (await post('/auth/session', { code })).json()).toMatchObject({ id, name: 'alice' });
    expect(await (await whoami()).json()).toMatchObject({ id });
    expect(await problemIn(await post('/auth/session', { code }))).toMatchObject({
      status: 401,
      detail: expect.stringContaining('was used before'),
    });
    await api.fetch(`/v1/tokens/${id}`, { method: 'DELETE' });
    expect((await whoami()).status).toBe(401);
  });

  test('counts once, also for two browsers at the same time', async () => {
    const { code } = await codeFor((await api.token()).headers);
    const answers = await Promise.all([post('/auth/session', { code }), post('/auth/session', { code })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  test('is not made for a worker, and does not work as a cookie of another name', async () => {
    const worker = await api.token({ kind: 'worker', team: '*' });
    expect((await fetch(`${api.api.url}/auth/codes`, { method: 'POST', headers: worker.headers })).status).toBe(403);
    const { code } = await codeFor((await api.token()).headers);
    const cookie = `kiln-session=${code}`;
    expect((await fetch(`${api.api.url}/v1/whoami`, { headers: { cookie } })).status).toBe(401);
  });
});

/** Everything that Redis has in strings. */
async function redisText(): Promise<string> {
  const { redis: client } = api.state;
  const keys = await client.keys('*session*');
  return (await Promise.all(keys.map((key) => client.get(key)))).join('\n');
}
