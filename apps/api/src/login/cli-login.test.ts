import { createHash, randomBytes } from 'node:crypto';
import type { WhoamiView } from '@kiln/contracts';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Browser } from '../testing/browser.ts';
import { redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestLogin } from '../testing/test-login.ts';

const redis = await redisForFile();
let login: TestLogin;
beforeEach(async () => {
  login = await TestLogin.start(redis);
});
afterEach(() => login[Symbol.asyncDispose]());

/** A token as `kiln login` makes it, and its code. */
function newToken(): { token: string; code: string } {
  const token = formatToken('session', randomBytes(TOKEN_BYTES));
  return { token, code: createHash('sha256').update(token).digest('hex') };
}

const whoami = (token: string) => fetch(login.url('/v1/whoami'), { headers: { authorization: `Bearer ${token}` } });
const stateOf = async (code: string) => (await fetch(login.url(`/auth/cli/state?code=${code}`))).json();
const approve = (code: string, by = login.browser, headers: Record<string, string> = { origin: login.api.api.url }) =>
  by.fetch(login.url(`/auth/cli?code=${code}&name=laptop`), { method: 'POST', headers });

describe('kiln login in the browser', () => {
  it('makes the token valid as the person who approves it after logging in', async () => {
    const { token, code } = newToken();
    expect(await stateOf(code)).toEqual({ approved: false, page: login.url('/auth/cli') });
    expect((await whoami(token)).status).toBe(401);

    const answer = await login.logIn('alice', login.browser, `/auth/cli?code=${code}&name=laptop`);
    expect(answer.headers.get('location')).toBe(`/auth/cli?code=${code}&name=laptop`);
    const page = await login.browser.fetch(login.url(`/auth/cli?code=${code}&name=laptop`));
    const text = await page.text();
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    // With the default no-referrer, browsers would send the form with `Origin: null`.
    expect(page.headers.get('referrer-policy')).toBe('same-origin');
    expect(text).toContain(`${code.slice(0, 4)}-${code.slice(4, 8)}`.toUpperCase());
    expect(text).toContain('<b>laptop</b>');
    expect(text).toContain('<b>alice</b> (team <b>web</b>)');
    // Looking at the page approves nothing.
    expect((await whoami(token)).status).toBe(401);

    expect((await approve(code)).status).toBe(200);
    expect((await approve(code)).status).toBe(200);
    expect(await stateOf(code)).toMatchObject({ approved: true });
    const me = (await (await whoami(token)).json()) as WhoamiView;
    const own = (await (await login.browser.fetch(login.url('/v1/whoami'))).json()) as WhoamiView;
    expect(me).toEqual(own);
    expect(me).toMatchObject({ kind: 'session', id: 'oidc:corp:alice', team: 'web' });
    const [entry] = (await login.api.state.audit.read({}, 100)).filter(({ action }) => action === 'approveCliLogin');
    expect(entry).toMatchObject({ actor: { id: 'oidc:corp:alice' }, target: 'laptop', outcome: 'done' });
    expect(login.api.logged.join('')).not.toContain(token);
  });

  it('is ended by kiln logout, while the browser stays logged in', async () => {
    const { token, code } = newToken();
    await login.logIn('alice');
    await approve(code);
    const init = { method: 'POST', headers: { authorization: `Bearer ${token}` } };
    expect((await fetch(login.url('/auth/logout'), init)).status).toBe(204);
    expect((await problemIn(await whoami(token))).detail).toBe('the login has ended: log in again with kiln login');
    expect((await login.browser.fetch(login.url('/v1/whoami'))).status).toBe(200);
  });

  it('is approved only by a person, on Kiln’s own page', async () => {
    const { token, code } = newToken();
    expect((await approve(code, new Browser())).status).toBe(401);
    await login.logIn('alice');
    expect((await approve(code, login.browser, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await approve(code, login.browser, {})).status).toBe(403);
    await approve(code);
    const other = newToken();
    const byCommand = await approve(other.code, new Browser(), { authorization: `Bearer ${token}` });
    expect(await problemIn(byCommand)).toMatchObject({ status: 403, detail: expect.stringContaining('only a person') });
    expect(await stateOf(other.code)).toMatchObject({ approved: false });
  });

  it('can’t be taken over by approving its code as another person', async () => {
    const { token, code } = newToken();
    await login.logIn('alice');
    await approve(code);
    const root = new Browser();
    await login.logIn('root', root);
    expect((await approve(code, root)).status).toBe(403);
    expect(await (await whoami(token)).json()).toMatchObject({ id: 'oidc:corp:alice' });
  });

  it('begins a new login when the browser’s session has less than half of its time left', async () => {
    let late = 0;
    await using slow = await TestLogin.start(redis, { now: () => Date.now() + late, sessionMs: 1_000_000 });
    const { code } = newToken();
    const browser = new Browser();
    await slow.logIn('alice', browser);
    const show = () => browser.fetch(slow.url(`/auth/cli?code=${code}`));
    expect((await show()).status).toBe(200);
    late = 501_000;
    const again = await show();
    expect([again.status, again.headers.get('location')]).toEqual([
      302,
      `login?returnTo=${encodeURIComponent(`/auth/cli?code=${code}`)}`,
    ]);
  });

  it('refuses a code that is no SHA-256', async () => {
    const answer = await fetch(login.url('/auth/cli/state?code=abc'));
    expect(await problemIn(answer)).toMatchObject({ status: 400, errors: [{ field: 'query code' }] });
  });
});
