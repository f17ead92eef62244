import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../testing/browser.ts';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestLogin } from '../testing/test-login.ts';
import { CLIENT } from '../testing/test-provider.ts';

const redis = await redisForFile();
let login: TestLogin;
beforeEach(async () => {
  login = await TestLogin.start(redis);
});
afterEach(() => login[Symbol.asyncDispose]());

describe('a session', () => {
  const post = (path: string, headers: Record<string, string>, body = '{}') =>
    login.browser.fetch(login.url(path), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });

  test('authorizes changes only from Kiln’s own pages', async () => {
    await login.logIn('alice');
    const build = JSON.stringify({ source: { type: 'git', url: 'https://git.example/app' } });
    const origin = login.api.api.url;
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
      expect(await problemIn(await post('/v1/builds', headers, build))).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
    }
    expect((await post('/auth/logout', {})).status).toBe(403);
    const { headers } = await login.api.token({ scopes: ['builds:write'] });
    expect((await login.api.post('/v1/builds', build, headers)).status).toBe(202);
  });

  test('ends at logout, with its streams; another session of the same person continues', async () => {
    await login.logIn('alice');
    const elsewhere = new Browser();
    await login.logIn('alice', elsewhere);
    const { id } = await login.api.submit({ team: 'web' });
    await login.api.run(id);
    const stream = await login.browser.fetch(login.url(`/v1/builds/${id}/logs`));
    const reader = stream.body?.getReader();
    await reader?.read();
    const stolen = await login.browser.jar.getCookieString(login.url('/'));
    expect((await post('/auth/logout', { origin: login.api.api.url })).status).toBe(204);
    expect(await login.cookies()).toEqual([]);
    await expect(reader?.read()).rejects.toThrow();
    const again = await fetch(login.url('/v1/whoami'), { headers: { cookie: stolen } });
    expect(await problemIn(again)).toMatchObject({
      status: 401,
      detail: expect.stringContaining('the session has ended'),
    });
    expect((await login.browser.fetch(login.url('/v1/whoami'))).status).toBe(401);
    expect((await elsewhere.fetch(login.url('/v1/whoami'))).status).toBe(200);
  });

  test('is replaced by a new one at each login', async () => {
    await login.browser.jar.setCookie('kiln-session=known-to-an-attacker', login.url('/'));
    await login.logIn('alice');
    const first = await login.browser.jar.getCookieString(login.url('/'));
    expect(first).not.toContain('known-to-an-attacker');
    await login.logIn('alice');
    expect(await login.browser.jar.getCookieString(login.url('/'))).not.toBe(first);
    expect((await fetch(login.url('/v1/whoami'), { headers: { cookie: first } })).status).toBe(401);
  });

  test('expires', async () => {
    await using brief = await TestLogin.start(redis, { sessionMs: 1_500 });
    const answer = await brief.logIn('alice');
    expect(answer.headers.getSetCookie().join()).toContain('Max-Age=1');
    const cookie = /kiln-session=[^;]+/.exec(answer.headers.getSetCookie().join())?.[0] ?? '';
    const status = async () => (await fetch(brief.url('/v1/whoami'), { headers: { cookie } })).status;
    expect(await status()).toBe(200);
    await expect.poll(status, PATIENT).toBe(401);
  });

  test('is not in the log, nor is the code or the client secret', async () => {
    const callback = await login.toCallback('alice');
    await login.browser.fetch(callback.href);
    const session = await login.browser.jar.getCookieString(login.url('/'));
    await login.browser.fetch(login.url('/v1/whoami'));
    const logged = login.api.logged.join('');
    expect(logged).toContain('/auth/callback');
    for (const secret of [session.split('=')[1] ?? '', callback.searchParams.get('code') ?? '', CLIENT.clientSecret]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(logged).not.toContain(secret);
    }
  });
});
