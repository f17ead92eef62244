import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GithubAppApi } from '../testing/github-app-api.ts';
import { installationToken, isAppKey, type TokenRequest } from './app-token.ts';

let api: GithubAppApi;
beforeEach(async () => {
  api = await GithubAppApi.start();
  return () => api[Symbol.asyncDispose]();
});
afterEach(() => {
  api.instead = undefined;
});

function make(change: Partial<TokenRequest> = {}, apiUrl = `${api.url}/`) {
  const request = {
    app: api.app,
    apiUrl,
    repository: 'tidewater/harbor',
    purpose: 'api',
    ...change,
  } as const;
  return installationToken(request, { fetch, timeoutMs: 10_000, nowMs: Date.now() });
}

describe('installationToken', () => {
  test('makes a token for one repository, and when it expires', async () => {
    const { token, expiresAt } = await make();
    expect(token).toBe('ghs_1');
    expect(Math.abs(expiresAt - Date.now() - 3_600_000)).toBeLessThan(5_000);
    expect(api.made).toEqual([{ token, repositories: ['harbor'] }]);
  });

  test('limits a token for cloning to reading content', async () => {
    await make({ purpose: 'git' });
    expect(api.made).toMatchObject([{ repositories: ['harbor'], permissions: { contents: 'read' } }]);
  });

  test('fails for good where the App isn’t installed', async () => {
    await expect(make({ repository: 'strangers/app' })).rejects.toMatchObject({
      message: 'the installation of GitHub App 4711 in strangers/app: 404 Not Found',
      isPassing: false,
    });
  });

  test('fails for good with another key, without quoting it', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(make({ app: { appId: '4711', privateKey: pem } })).rejects.toMatchObject({
      message: expect.stringContaining('401 A JSON web token could not be decoded'),
      isPassing: false,
    });
    await expect(make({ app: { appId: '4711', privateKey: 'no key' } })).rejects.toThrow(
      /not an RSA key in PEM format$/,
    );
  });

  test.each([500, 502, 429])('fails for a while if GitHub answers %i', async (status) => {
    api.instead = status;
    await expect(make()).rejects.toMatchObject({ isPassing: true });
  });

  test.each([
    [{ 'x-ratelimit-remaining': '0' }, true],
    [{ 'retry-after': '60' }, true],
    [{ 'x-ratelimit-remaining': '59' }, false],
  ])('if GitHub answers 403 with %j, fails for a while: %s', async (headers, isPassing) => {
    const limited = async () => Response.json({ message: 'API rate limit exceeded' }, { status: 403, headers });
    const request = { app: api.app, apiUrl: api.url, repository: 'tidewater/harbor', purpose: 'api' } as const;
    const transport = { fetch: limited, timeoutMs: 10_000, nowMs: Date.now() };
    await expect(installationToken(request, transport)).rejects.toMatchObject({ isPassing });
  });

  test('fails for a while if nobody answers', async () => {
    const { url } = api;
    await api[Symbol.asyncDispose]();
    const { app } = api;
    api = await GithubAppApi.start();
    await expect(make({ app }, url)).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED'),
      isPassing: true,
    });
  });
});

test('isAppKey accepts RSA keys only', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  expect([isAppKey(api.app.privateKey), isAppKey(ec.toString()), isAppKey('x')]).toEqual([true, false, false]);
});
