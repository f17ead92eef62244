import { createHmac } from 'node:crypto';
import type { Problem, WhoamiView } from '@kiln/contracts';
import { exportSPKI, generateKeyPair } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';
import { TestIssuer } from '../testing/test-issuer.ts';
import { oidcSettings } from './settings.ts';

const TIMES = { timeoutMs: 500, cooldownMs: 0, maxAgeMs: 600_000 };
const redis = await redisForFile();
let issuer: TestIssuer;
let api: TestApi;
let now = 0;
beforeEach(async () => {
  issuer = await TestIssuer.start();
  api = await start();
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

/** An API that trusts the issuer; its clock differs by `now` ms from the real one. */
function start(times = TIMES, more: object = {}): Promise<TestApi> {
  now = 0;
  const { issuers } = oidcSettings.parse({
    issuers: [
      {
        ...{ name: 'ci', issuer: issuer.url, audience: ['kiln', 'https://kiln.example'] },
        rules: [
          { claims: { repository: 'acme/*', event: 'pull_request' }, team: 'acme', trust: 'untrusted' },
          { claims: { repository: 'acme/*', ref: ['refs/heads/main', 'refs/tags/*'] }, team: 'acme' },
          { claims: { repository_id: 7 }, team: 'seven', scopes: ['builds:read'] },
        ],
        ...more,
      },
    ],
  });
  return TestApi.start({ oidc: { issuers, keyTimes: times } }, { redis, now: () => Date.now() + now });
}

const MAIN = { repository: 'acme/app', ref: 'refs/heads/main' };
const ask = (token: string, on = api) => on.fetch('/v1/whoami', { headers: { authorization: `Bearer ${token}` } });
const problem = async (token: string, on = api) => (await (await ask(token, on)).json()) as Problem;
const seconds = (offset: number) => Math.floor(Date.now() / 1_000) + offset;

describe('a token of a trusted issuer', () => {
  test('belongs to the team of the first rule whose claims all match', async () => {
    const who = async (claims: object) => (await (await ask(await issuer.token({ ...claims }))).json()) as WhoamiView;
    expect(await who(MAIN)).toMatchObject({
      ...{ kind: 'oidc', id: 'oidc:ci:repo:acme/app', name: 'repo:acme/app', team: 'acme', trust: 'trusted' },
      ...{ scopes: ['builds:read', 'builds:write', 'logs:read'], expiresAt: expect.stringMatching(/Z$/) },
    });
    expect(await who({ ...MAIN, event: 'pull_request' })).toMatchObject({ team: 'acme', trust: 'untrusted' });
    expect(await who({ repository_id: '7' })).toMatchObject({ team: 'seven', scopes: ['builds:read'] });
    const other = await ask(await issuer.token({ repository: 'evil/app', ref: 'refs/heads/main' }));
    expect(await other.json()).toMatchObject({
      ...{ status: 403, code: 'forbidden', detail: 'no rule of issuer ci admits repo:acme/app' },
    });
    const build = await api.post(
      '/v1/builds',
      { source: { type: 'git', url: 'https://git.example/app' } },
      { authorization: `Bearer ${await issuer.token({ ...MAIN, aud: ['x', 'https://kiln.example'] })}` },
    );
    expect(await build.json()).toMatchObject({ team: 'acme' });
    const { actor } = (await api.state.audit.read({}, 100)).find(({ action }) => action === 'submitBuild') ?? {};
    expect(actor).toEqual({ kind: 'oidc', id: 'oidc:ci:repo:acme/app', name: 'repo:acme/app', team: 'acme' });
  });

  test.each(['ES256', 'PS256', 'EdDSA'])('may be signed by %s', async (alg) => {
    await issuer.rotate(alg);
    expect((await ask(await issuer.token(MAIN))).status).toBe(200);
  });
});

describe('a token', () => {
  test.each([
    ['of another audience', { aud: 'other' }, 'its claim aud is not the expected value'],
    ['without an audience', { aud: undefined }, 'its claim aud is missing'],
    ['expired', { exp: seconds(-31) }, 'it has expired'],
    ['without an end', { exp: undefined }, 'its claim exp is missing'],
    ['not yet good', { nbf: seconds(3_600) }, 'its claim nbf'],
    ['issued tomorrow', { iat: seconds(86_400) }, 'its claim iat'],
    ['issued long ago', { iat: seconds(-90_000) }, 'it has expired'],
    ['without a subject', { sub: undefined }, 'its claim sub is missing'],
    ['of another issuer', { iss: 'https://evil.example' }, 'not configured for bearer tokens'],
    ['without an issuer', { iss: undefined }, 'not configured for bearer tokens'],
  ])('%s is refused with 401 and the reason', async (_what, claims, reason) => {
    expect(await problem(await issuer.token({ ...MAIN, ...claims }))).toMatchObject({
      ...{ status: 401, code: 'unauthorized', detail: expect.stringContaining(reason) },
    });
  });

  test('a little early or late is accepted', async () => {
    for (const claims of [{ exp: seconds(-15) }, { nbf: seconds(15), iat: seconds(15) }]) {
      expect((await ask(await issuer.token({ ...MAIN, ...claims }))).status).toBe(200);
    }
  });

  test('signed by another key of the same name is refused', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const forged = await issuer.token(MAIN, { key: { kid: issuer.key.kid, alg: 'RS256', privateKey, publicKey } });
    expect((await problem(forged)).detail).toContain('its signature is not by the issuer’s key');
  });

  test('with alg none, or HS256 with the public key as the secret, is refused', async () => {
    const [, payload] = (await issuer.token(MAIN)).split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'None', '']) {
      expect((await ask(`${encode({ alg })}.${payload}.`)).status).toBe(401);
    }
    const body = `${encode({ alg: 'HS256', kid: issuer.key.kid })}.${payload}`;
    for (const secret of [await exportSPKI(issuer.key.publicKey), '']) {
      const hmac = createHmac('sha256', secret).update(body).digest('base64url');
      expect((await problem(`${body}.${hmac}`)).detail).toContain('its signature algorithm is not accepted');
    }
  });

  test('with an algorithm that the operator doesn’t accept is refused', async () => {
    await using strict = await start(TIMES, { algorithms: ['ES256'] });
    expect((await problem(await issuer.token(MAIN), strict)).detail).toContain(
      'its signature algorithm is not accepted',
    );
  });

  test('that only looks like a JWT is refused, as is any if no issuer is configured', async () => {
    expect(await problem('a.b.c')).toMatchObject({ status: 401, code: 'unauthorized' });
    await using none = await TestApi.start({}, { redis });
    expect((await problem(await issuer.token(MAIN), none)).detail).toContain(
      'no issuer is configured (KILN_OIDC_FILE)',
    );
  });

  test('altered by one character is refused', async () => {
    const token = await issuer.token(MAIN);
    const at = token.indexOf('.') + 20;
    const altered = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    expect((await ask(altered)).status).toBe(401);
  });
});

describe('the issuer’s keys', () => {
  test('are fetched once, and again for an unknown key, so that rotation needs no operator', async () => {
    const old = await issuer.token(MAIN);
    for (let i = 0; i < 5; i += 1) expect((await ask(old)).status).toBe(200);
    expect(issuer.fetches).toBe(1);
    const { key } = issuer;
    await issuer.rotate();
    expect((await ask(await issuer.token(MAIN))).status).toBe(200);
    expect(issuer.fetches).toBe(2);
    expect((await problem(await issuer.token(MAIN, { key }))).detail).toContain('the issuer has no such key');
  });

  test('are not fetched endlessly for unknown key names', async () => {
    await using calm = await start({ ...TIMES, cooldownMs: 60_000 });
    for (let i = 0; i < 5; i += 1) {
      expect((await ask(await issuer.token(MAIN, { kid: `made-up-${i}` }), calm)).status).toBe(401);
    }
    expect(issuer.fetches).toBe(1);
  });

  test('answer its tokens with 503 while they can’t be fetched, without affecting other credentials', async () => {
    const token = await issuer.token(MAIN);
    const unavailable = { status: 503, code: 'unavailable', detail: expect.stringContaining('the OIDC issuer ci') };
    await issuer.down();
    expect(await problem(token)).toMatchObject(unavailable);
    expect((await ask(TOKEN)).status).toBe(200);
    await issuer.up();
    const bad: Record<string, NonNullable<TestIssuer['misbehave']>> = {
      'an error': (_path, response) => response.writeHead(500).end(),
      'no JSON': (_path, response) => response.end('<html>'),
      'another issuer’s document': (path, response) =>
        path.endsWith('openid-configuration') &&
        response.end(JSON.stringify({ issuer: 'https://other.example', jwks_uri: `${issuer.url}/keys` })),
      'no keys': (path, response) => path === '/keys' && response.end('{}'),
      'nothing at all': () => {},
    };
    for (const misbehave of Object.values(bad)) {
      issuer.misbehave = misbehave;
      now += 2_000;
      expect(await problem(token)).toMatchObject(unavailable);
    }
    issuer.misbehave = undefined;
    expect(await problem(token)).toMatchObject(unavailable);
    now += 2_000;
    expect((await ask(token)).status).toBe(200);
    await issuer.down();
    expect((await ask(token)).status).toBe(200);
  });
});
