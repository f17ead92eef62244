import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Problem, WhoamiView } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KEY_TIMES } from '../oidc/issuer-keys.ts';
import { oidcSettings } from '../oidc/settings.ts';
import { Browser, type Page } from '../testing/browser.ts';
import { TestApi } from '../testing/test-api.ts';
import { CLIENT, TestProvider } from '../testing/test-provider.ts';

let redis: TestRedis;
let provider: TestProvider;
let api: TestApi;
let dir: string;
let browser: Browser;
let now = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
  dir = await mkdtemp(join(tmpdir(), 'kiln-login-'));
  await writeFile(join(dir, 'secret'), `${CLIENT.clientSecret}\n`);
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await TestProvider.start(`${publicUrl}/auth/callback`);
  provider.groups.set('alice', ['staff', 'web-team']);
  provider.groups.set('root', ['kiln-admins']);
  now = 0;
  api = await TestApi.start({ port, publicUrl, oidc: oidc(provider.url) }, { redis, now: () => Date.now() + now });
  browser = new Browser();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

function oidc(url: string) {
  const { issuers } = oidcSettings.parse({
    issuers: [
      {
        ...{ name: 'corp', issuer: url, login: { clientId: CLIENT.clientId, clientSecretFile: join(dir, 'secret') } },
        rules: [
          { claims: { groups: 'kiln-admins' }, scopes: ['admin'] },
          { claims: { groups: '*-team' }, team: 'web' },
        ],
      },
    ],
  });
  return { issuers, keyTimes: KEY_TIMES };
}

/** The provider's own port is known only when it listens, and both must know the other. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

const url = (path: string) => api.api.url + path;
const isCallback = ({ pathname }: URL) => pathname === '/auth/callback';

/** Logs in at the provider; comes back with the address to which that sends the browser. */
async function toCallback(name: string, by = browser, path = '/auth/login'): Promise<URL> {
  let page: Page = await by.go(url(path), isCallback);
  if (page.answer) page = await by.submit(page, { login: name, password: 'x' }, isCallback);
  if (page.answer) page = await by.submit(page, {}, isCallback);
  expect(isCallback(page.url)).toBe(true);
  return page.url;
}

async function logIn(name: string, by = browser, path?: string): Promise<Response> {
  return by.fetch((await toCallback(name, by, path)).href);
}

const problemOf = async (answer: Response) => (await answer.json()) as Problem;
const cookies = async (by = browser) =>
  (await by.jar.getCookies(url('/'))).map(({ key }) => key).filter((key) => key.startsWith('kiln'));

describe('a login', () => {
  test('makes a session of the team that the claims say, and leads to where it was to', async () => {
    const answer = await logIn('alice', browser, '/auth/login?returnTo=%2Fbuilds%3Fstate%3Dqueued%23top');
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/builds?state=queued#top']);
    expect(await cookies()).toEqual(['kiln-session']);
    const me = (await (await browser.fetch(url('/v1/whoami'))).json()) as WhoamiView;
    expect(me).toMatchObject({
      ...{ kind: 'session', id: 'oidc:corp:alice', name: 'alice', team: 'web', trust: 'trusted' },
      scopes: ['builds:read', 'builds:write', 'logs:read'],
    });
    expect(Date.parse(me.expiresAt ?? '') - Date.now()).toBeGreaterThan(11.9 * 3_600_000);
    const list = await browser.fetch(url('/v1/builds'));
    expect([list.status, list.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
    expect((await browser.fetch(url('/v1/tokens'))).status).toBe(403);
    const [entry] = (await api.state.audit.read({}, 100)).filter(({ action }) => action === 'finishLogin');
    expect(entry).toMatchObject({ actor: { kind: 'session', id: 'oidc:corp:alice', team: 'web' }, outcome: 'done' });
  });

  test('an admin’s opens what admins may; who matches no rule is refused, and gets no session', async () => {
    await logIn('root');
    expect((await browser.fetch(url('/v1/tokens'))).status).toBe(200);
    const stranger = new Browser();
    const answer = await logIn('mallory', stranger);
    expect(await problemOf(answer)).toMatchObject({ status: 403, detail: 'no rule of issuer corp admits mallory' });
    expect(await cookies(stranger)).toEqual([]);
    const entries = (await api.state.audit.read({}, 100)).filter(({ action }) => action === 'finishLogin');
    expect(entries.map(({ outcome }) => outcome)).toEqual(['done', 'refused']);
  });

  test('asks with PKCE, state and nonce, and only for this API', async () => {
    const answer = await browser.fetch(url('/auth/login'));
    const { searchParams, origin } = new URL(answer.headers.get('location') ?? '');
    expect([answer.status, origin]).toEqual([302, provider.url]);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      ...{ client_id: 'kiln', response_type: 'code', code_challenge_method: 'S256', scope: 'openid profile email' },
      ...{ code_challenge: expect.stringMatching(/^[\w-]{43}$/), state: expect.stringMatching(/^[\w-]{43}$/) },
      ...{ nonce: expect.stringMatching(/^[\w-]{43}$/), redirect_uri: url('/auth/callback') },
    });
    const set = answer.headers.getSetCookie().join();
    expect(set).toMatch(/^kiln-login=[^;]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(decodeURIComponent(set)).not.toContain(searchParams.get('state'));
  });

  test.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '\\\\evil.example',
    '/\t/evil.example/',
    'javascript:alert(1)',
    'builds',
    `/${'x'.repeat(2_000)}`,
    '',
  ])('leads nowhere else: %j is refused', async (returnTo) => {
    const answer = await browser.fetch(url(`/auth/login?returnTo=${encodeURIComponent(returnTo)}`));
    expect(await problemOf(answer)).toMatchObject({ status: 400, errors: [{ field: 'query returnTo' }] });
  });
});

describe('an answer that isn’t this browser’s own', () => {
  test('is refused: without the cookie, with another one’s, with another state, a second time, too late', async () => {
    const refusal = async (by: Browser, href: string) => (await problemOf(await by.fetch(href))).detail;
    const first = await toCallback('alice');
    // Another browser is lured to it: it would be logged in as alice.
    expect(await refusal(new Browser(), first.href)).toContain('this browser has not begun a login');
    const other = new Browser();
    await other.fetch(url('/auth/login'));
    expect(await refusal(other, first.href)).toContain('the issuer’s answer is not valid');
    const altered = new URL(first);
    altered.searchParams.set('state', 'another');
    expect(await refusal(browser, altered.href)).toContain('the issuer’s answer is not valid');
    expect(await cookies()).toEqual([]);

    const second = await toCallback('alice');
    await browser.fetch(second.href);
    expect(await cookies()).toEqual(['kiln-session']);
    expect(await refusal(browser, second.href)).toContain('this browser has not begun a login');

    const late = await toCallback('alice');
    now += 601_000;
    expect(await refusal(browser, late.href)).toContain('it took too long');
  });

  test('a code is good once, whoever has the cookie', async () => {
    const callback = await toCallback('alice');
    const thief = new Browser();
    for (const cookie of await browser.jar.getCookies(url('/'))) await thief.jar.setCookie(cookie, url('/'));
    expect((await browser.fetch(callback.href)).status).toBe(303);
    expect((await problemOf(await thief.fetch(callback.href))).detail).toContain('the issuer rejected the authorization code');
  });

  test('a cookie that somebody made up, and an issuer that says no', async () => {
    await browser.jar.setCookie('kiln-login=made-up', url('/'));
    expect((await problemOf(await browser.fetch(url('/auth/callback?code=x&state=y')))).detail).toContain(
      'its cookie was not made by this Kiln',
    );
    const { searchParams } = new URL((await browser.fetch(url('/auth/login'))).headers.get('location') ?? '');
    const denied = `/auth/callback?error=access_denied&state=${searchParams.get('state')}&iss=${encodeURIComponent(provider.url)}`;
    expect(await problemOf(await browser.fetch(url(denied)))).toMatchObject({
      ...{ status: 401, detail: expect.stringContaining('the issuer denied it') },
    });
  });
});

describe('a session', () => {
  const post = (path: string, headers: Record<string, string>, body = '{}') =>
    browser.fetch(url(path), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

  test('counts for changes only from Kiln’s own pages', async () => {
    await logIn('alice');
    const build = JSON.stringify({ source: { type: 'git', url: 'https://git.example/app' } });
    const origin = api.api.url;
    for (const headers of [
      { origin },
      { 'sec-fetch-site': 'same-origin' },
      { origin, 'sec-fetch-site': 'same-origin' },
    ]) {
      expect((await post('/v1/builds', headers, build)).status).toBe(202);
    }
    for (const headers of [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${origin}0` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin },
      { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'none' },
    ] as Record<string, string>[]) {
      expect(await problemOf(await post('/v1/builds', headers, build))).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
    }
    expect((await post('/auth/logout', {})).status).toBe(403);
    const { headers } = await api.token({ scopes: ['builds:write'] });
    expect((await api.post('/v1/builds', build, headers)).status).toBe(202);
  });

  test('ends at logout, at once, with what it follows; another one of the same person goes on', async () => {
    await logIn('alice');
    const elsewhere = new Browser();
    await logIn('alice', elsewhere);
    const { id } = await api.submit({ team: 'web' });
    await api.run(id);
    const stream = await browser.fetch(url(`/v1/builds/${id}/logs`));
    const reader = stream.body?.getReader();
    await reader?.read();
    const stolen = await browser.jar.getCookieString(url('/'));
    expect((await post('/auth/logout', { origin: api.api.url })).status).toBe(204);
    expect(await cookies()).toEqual([]);
    await expect(reader?.read()).rejects.toThrow();
    const again = await fetch(url('/v1/whoami'), { headers: { cookie: stolen } });
    expect(await problemOf(again)).toMatchObject({
      status: 401,
      detail: expect.stringContaining('the session has ended'),
    });
    expect((await browser.fetch(url('/v1/whoami'))).status).toBe(401);
    expect((await elsewhere.fetch(url('/v1/whoami'))).status).toBe(200);
  });

  test('is a new one after each login, and the one before is over', async () => {
    await browser.jar.setCookie('kiln-session=known-to-an-attacker', url('/'));
    await logIn('alice');
    const first = await browser.jar.getCookieString(url('/'));
    expect(first).not.toContain('known-to-an-attacker');
    await logIn('alice');
    expect(await browser.jar.getCookieString(url('/'))).not.toBe(first);
    expect((await fetch(url('/v1/whoami'), { headers: { cookie: first } })).status).toBe(401);
  });

  test('is over when its time is', async () => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    await using own = await TestProvider.start(`${publicUrl}/auth/callback`);
    own.groups.set('alice', ['web-team']);
    await using brief = await TestApi.start({ port, publicUrl, oidc: oidc(own.url), sessionMs: 1_500 }, { redis });
    const before = api;
    api = brief;
    const answer = await logIn('alice');
    expect(answer.headers.getSetCookie().join()).toContain('Max-Age=1');
    const cookie = /kiln-session=[^;]+/.exec(answer.headers.getSetCookie().join())?.[0] ?? '';
    const status = async () => (await fetch(url('/v1/whoami'), { headers: { cookie } })).status;
    expect(await status()).toBe(200);
    await expect.poll(status, { timeout: 5_000 }).toBe(401);
    api = before;
  });

  test('nothing of it is in the log', async () => {
    const callback = await toCallback('alice');
    await browser.fetch(callback.href);
    const session = await browser.jar.getCookieString(url('/'));
    await browser.fetch(url('/v1/whoami'));
    const logged = api.logged.join('');
    expect(logged).toContain('/auth/callback');
    for (const secret of [session.split('=')[1] ?? '', callback.searchParams.get('code') ?? '', CLIENT.clientSecret]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(logged).not.toContain(secret);
    }
  });
});

describe('an issuer that doesn’t answer', () => {
  test('is told of as 503, and tried anew the next time', async () => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const gone = `http://127.0.0.1:${await freePort()}`;
    await using alone = await TestApi.start({ port, publicUrl, oidc: oidc(gone) }, { redis });
    for (let i = 0; i < 2; i += 1) {
      const answer = await browser.fetch(`${alone.api.url}/auth/login`);
      expect(await problemOf(answer)).toMatchObject({ status: 503, detail: expect.stringContaining('issuer corp') });
    }
  });

  test('between leaving and coming back, too', async () => {
    const callback = await toCallback('alice');
    await provider[Symbol.asyncDispose]();
    expect(await problemOf(await browser.fetch(callback.href))).toMatchObject({ status: 503, code: 'unavailable' });
  });
});

test('over https cookies are Secure and of this host alone', async () => {
  const own = { publicUrl: 'https://kiln.example', oidc: oidc(provider.url) };
  await using secure = await TestApi.start(own, { redis });
  const answer = await fetch(`${secure.api.url}/auth/login`, { redirect: 'manual' });
  expect(answer.headers.getSetCookie().join()).toMatch(
    /^__Host-kiln-login=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
  const location = new URL(answer.headers.get('location') ?? '');
  expect(location.searchParams.get('redirect_uri')).toBe('https://kiln.example/auth/callback');
});
