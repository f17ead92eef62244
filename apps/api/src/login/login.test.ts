import type { WhoamiView } from '@kiln/contracts';
import { freePort } from '@kiln/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../testing/browser.ts';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';
import { TestLogin } from '../testing/test-login.ts';

const redis = await redisForFile();
let login: TestLogin;
let late = 0;
beforeEach(async () => {
  late = 0;
  login = await TestLogin.start(redis, { now: () => Date.now() + late });
});
afterEach(() => login[Symbol.asyncDispose]());

describe('a login', () => {
  test('creates a session of the team in the claims, and redirects to the requested page', async () => {
    const answer = await login.logIn('alice', login.browser, '/auth/login?returnTo=%2Fbuilds%3Fstate%3Dqueued%23top');
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/builds?state=queued#top']);
    expect(await login.cookies()).toEqual(['kiln-session']);
    const me = (await (await login.browser.fetch(login.url('/v1/whoami'))).json()) as WhoamiView;
    expect(me).toMatchObject({
      ...{ kind: 'session', id: 'oidc:corp:alice', name: 'alice', team: 'web', trust: 'trusted' },
      scopes: ['builds:read', 'builds:write', 'logs:read'],
    });
    expect(Date.parse(me.expiresAt ?? '') - Date.now()).toBeGreaterThan(11.9 * 3_600_000);
    const list = await login.browser.fetch(login.url('/v1/builds'));
    expect([list.status, list.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
    expect((await login.browser.fetch(login.url('/v1/tokens'))).status).toBe(403);
    const [entry] = (await login.api.state.audit.read({}, 100)).filter(({ action }) => action === 'finishLogin');
    expect(entry).toMatchObject({ actor: { kind: 'session', id: 'oidc:corp:alice', team: 'web' }, outcome: 'done' });
  });

  test('gives an admin the rights of admins; a person whom no rule matches is refused and gets no session', async () => {
    await login.logIn('root');
    expect((await login.browser.fetch(login.url('/v1/tokens'))).status).toBe(200);
    const stranger = new Browser();
    const answer = await login.logIn('mallory', stranger);
    expect(await problemIn(answer)).toMatchObject({ status: 403, detail: 'no rule of issuer corp admits mallory' });
    expect(await login.cookies(stranger)).toEqual([]);
    const entries = (await login.api.state.audit.read({}, 100)).filter(({ action }) => action === 'finishLogin');
    expect(entries.map(({ outcome }) => outcome)).toEqual(['done', 'refused']);
  });

  test('uses PKCE, state and nonce, and returns only to this API', async () => {
    const answer = await login.browser.fetch(login.url('/auth/login'));
    const { searchParams, origin } = new URL(answer.headers.get('location') ?? '');
    expect([answer.status, origin]).toEqual([302, login.provider.url]);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      ...{ client_id: 'kiln', response_type: 'code', code_challenge_method: 'S256', scope: 'openid profile email' },
      ...{ code_challenge: expect.stringMatching(/^[\w-]{43}$/), state: expect.stringMatching(/^[\w-]{43}$/) },
      ...{ nonce: expect.stringMatching(/^[\w-]{43}$/), redirect_uri: login.url('/auth/callback') },
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
  ])('refuses to redirect to %j afterwards', async (returnTo) => {
    const answer = await login.browser.fetch(login.url(`/auth/login?returnTo=${encodeURIComponent(returnTo)}`));
    expect(await problemIn(answer)).toMatchObject({ status: 400, errors: [{ field: 'query returnTo' }] });
  });
});

describe('an answer of the issuer', () => {
  test('is refused without the cookie, with another browser’s cookie, with another state, twice or too late', async () => {
    const refusal = async (by: Browser, href: string) => (await problemIn(await by.fetch(href))).detail;
    const first = await login.toCallback('alice');
    // Another browser that is lured to the URL must not be logged in as alice.
    expect(await refusal(new Browser(), first.href)).toContain('this browser has not begun a login');
    const other = new Browser();
    await other.fetch(login.url('/auth/login'));
    expect(await refusal(other, first.href)).toContain('the issuer’s answer is not valid');
    const altered = new URL(first);
    altered.searchParams.set('state', 'another');
    expect(await refusal(login.browser, altered.href)).toContain('the issuer’s answer is not valid');
    expect(await login.cookies()).toEqual([]);

    const second = await login.toCallback('alice');
    await login.browser.fetch(second.href);
    expect(await login.cookies()).toEqual(['kiln-session']);
    expect(await refusal(login.browser, second.href)).toContain('this browser has not begun a login');

    const callback = await login.toCallback('alice');
    late = 601_000;
    expect(await refusal(login.browser, callback.href)).toContain('it took too long');
  });

  test('counts once, even for somebody who has the cookie', async () => {
    const callback = await login.toCallback('alice');
    const thief = new Browser();
    for (const cookie of await login.browser.jar.getCookies(login.url('/')))
      await thief.jar.setCookie(cookie, login.url('/'));
    expect((await login.browser.fetch(callback.href)).status).toBe(303);
    expect((await problemIn(await thief.fetch(callback.href))).detail).toContain(
      'the issuer rejected the authorization code',
    );
  });

  test('is refused with a forged cookie, or if the issuer denies the login', async () => {
    await login.browser.jar.setCookie('kiln-login=made-up', login.url('/'));
    expect((await problemIn(await login.browser.fetch(login.url('/auth/callback?code=x&state=y')))).detail).toContain(
      'its cookie was not made by this Kiln',
    );
    const { searchParams } = new URL(
      (await login.browser.fetch(login.url('/auth/login'))).headers.get('location') ?? '',
    );
    const denied = `/auth/callback?error=access_denied&state=${searchParams.get('state')}&iss=${encodeURIComponent(login.provider.url)}`;
    expect(await problemIn(await login.browser.fetch(login.url(denied)))).toMatchObject({
      ...{ status: 401, detail: expect.stringContaining('the issuer denied it') },
    });
  });
});

describe('an issuer that does not respond', () => {
  test('is answered with 503, and tried again the next time', async () => {
    await using alone = await TestLogin.start(redis, { issuer: `http://127.0.0.1:${await freePort()}` });
    for (let i = 0; i < 2; i += 1) {
      const answer = await login.browser.fetch(alone.url('/auth/login'));
      expect(await problemIn(answer)).toMatchObject({ status: 503, detail: expect.stringContaining('issuer corp') });
    }
  });

  test('is answered with 503 also at the end of a login', async () => {
    const callback = await login.toCallback('alice');
    await login.provider[Symbol.asyncDispose]();
    expect(await problemIn(await login.browser.fetch(callback.href))).toMatchObject({
      status: 503,
      code: 'unavailable',
    });
  });
});

test('over https, cookies are Secure and bound to this host', async () => {
  const own = { publicUrl: 'https://kiln.example', oidc: login.oidc };
  await using secure = await TestApi.start(own, { redis });
  const answer = await fetch(`${secure.api.url}/auth/login`, { redirect: 'manual' });
  expect(answer.headers.getSetCookie().join()).toMatch(
    /^__Host-kiln-login=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
  const location = new URL(answer.headers.get('location') ?? '');
  expect(location.searchParams.get('redirect_uri')).toBe('https://kiln.example/auth/callback');
});
