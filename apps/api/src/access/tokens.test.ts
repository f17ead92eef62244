import { request as httpRequest } from 'node:http';
import { createdToken, tokenList } from '@kiln/contracts';
import { beforeEach, describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });
beforeEach(() => {
  api.logged.length = 0;
});

const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;

describe('tokens', () => {
  const create = async (body: object, headers: Record<string, string> = {}) =>
    createdToken.parse(await (await api.post('/v1/tokens', body, headers)).json());

  test('are shown once, record their last use, and stop working when revoked', async () => {
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
    await expect.poll(async () => (await listed())?.lastUsedAt, PATIENT).toBeDefined();
    const revoked = await api.fetch(`/v1/tokens/${created.id}`, { method: 'DELETE' });
    expect(await revoked.json()).toMatchObject(created);
    expect(await problemIn(await api.fetch('/v1/whoami', { headers }))).toMatchObject({ code: 'unauthorized' });
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
  ])('can’t be created with %j: the problem names %s', async (body, field) => {
    const { code, errors } = await problemIn(await api.post('/v1/tokens', body));
    expect([code, errors.map((error) => error.field)]).toEqual(['invalid_request', expect.arrayContaining([field])]);
  });

  test('are refused with the reason: a wrong checksum, an expiry or a missing scope', async () => {
    const { token } = await create({ name: 'x', team: 'web', scopes: ['builds:read'] });
    const expired = await api.token({ expiresAt: Date.now() - 1_000 });
    const refusal = async (bearer: string) =>
      problemIn(await api.fetch('/v1/whoami', { headers: { authorization: `Bearer ${bearer}` } }));
    expect((await refusal(`${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`)).detail).toContain('checksum');
    expect((await refusal(expired.token)).detail).toMatch(new RegExp(`${expired.id}.* expired at 20`));
    const read = await api.fetch('/v1/tokens', { headers: { authorization: `Bearer ${token}` } });
    expect(read.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="admin"');
    expect(await problemIn(read)).toMatchObject({
      detail: 'this needs the scope admin; x has builds:read',
      errors: [{ field: 'scope', got: 'builds:read', expected: 'admin' }],
    });
  });

  test('have their streams cut off in every process when they are revoked or expire', async () => {
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

  test('can revoke themselves, and get an answer', async () => {
    const { id, headers } = await api.token({ team: '*', scopes: ['admin'] });
    for (const status of [200, 401]) {
      expect((await api.fetch(`/v1/tokens/${id}`, { method: 'DELETE', headers })).status).toBe(status);
    }
  });

  /** Starts a stream; `cutOff` resolves when the connection breaks off without an end. */
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
