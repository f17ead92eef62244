import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';
import type { TestRedis } from '@kiln/state/testing';
import { expect } from 'vitest';
import type { ApiConfig } from '../config.ts';
import { KEY_TIMES } from '../oidc/issuer-keys.ts';
import { oidcSettings } from '../oidc/settings.ts';
import { Browser, type Page } from './browser.ts';
import { TestApi } from './test-api.ts';
import { CLIENT, TestProvider } from './test-provider.ts';

const isCallback = ({ pathname }: URL) => pathname === '/auth/callback';

/** An API with login, its OIDC provider (alice is in web-team, root in kiln-admins) and a browser. */
export class TestLogin implements AsyncDisposable {
  readonly provider: TestProvider;
  readonly api: TestApi;
  readonly browser = new Browser();
  readonly oidc: NonNullable<ApiConfig['oidc']>;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: Pick<TestLogin, 'provider' | 'api' | 'oidc'>, stack: AsyncDisposableStack) {
    this.provider = parts.provider;
    this.api = parts.api;
    this.oidc = parts.oidc;
    this.#stack = stack;
  }

  /** `issuer` replaces the provider's URL in the API's settings. */
  static async start(
    redis: TestRedis,
    { issuer, now, ...config }: Partial<ApiConfig> & { issuer?: string; now?: () => number } = {},
  ): Promise<TestLogin> {
    await using stack = new AsyncDisposableStack();
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const provider = stack.use(await TestProvider.start(`${publicUrl}/auth/callback`));
    provider.groups.set('alice', ['staff', 'web-team']);
    provider.groups.set('root', ['kiln-admins']);
    const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-login-')), (path) => rm(path, { recursive: true }));
    const secret = join(dir, 'secret');
    await writeFile(secret, `${CLIENT.clientSecret}\n`);
    const oidc = oidcOf(issuer ?? provider.url, secret);
    const settings = { port, publicUrl, oidc, ...config };
    const api = stack.use(await TestApi.start(settings, { redis, ...(now && { now }) }));
    return new TestLogin({ provider, api, oidc }, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  url(path: string): string {
    return this.api.api.url + path;
  }

  /** Logs in at the provider; returns the callback URL to which it redirects the browser. */
  async toCallback(name: string, by = this.browser, path = '/auth/login'): Promise<URL> {
    let page: Page = await by.go(this.url(path), isCallback);
    if (page.answer) page = await by.submit(page, { login: name, password: 'x' }, isCallback);
    if (page.answer) page = await by.submit(page, {}, isCallback);
    expect(isCallback(page.url)).toBe(true);
    return page.url;
  }

  async logIn(name: string, by = this.browser, path?: string): Promise<Response> {
    return by.fetch((await this.toCallback(name, by, path)).href);
  }

  /** The names of Kiln's cookies in the browser. */
  async cookies(by = this.browser): Promise<string[]> {
    return (await by.jar.getCookies(this.url('/'))).map(({ key }) => key).filter((key) => key.startsWith('kiln'));
  }
}

function oidcOf(url: string, clientSecretFile: string): NonNullable<ApiConfig['oidc']> {
  const { issuers } = oidcSettings.parse({
    issuers: [
      {
        ...{ name: 'corp', issuer: url, login: { clientId: CLIENT.clientId, clientSecretFile } },
        rules: [
          { claims: { groups: 'kiln-admins' }, scopes: ['admin'] },
          { claims: { groups: '*-team' }, team: 'web' },
        ],
      },
    ],
  });
  return { issuers, keyTimes: KEY_TIMES };
}
