import type { Resolve } from '@kiln/runtime';
import { describe, expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';

const BUILDS = ['builds:read', 'builds:write', 'logs:read'] as const;
const GIT = { source: { type: 'git', url: 'https://git.example/app' } };
const NAMES: Readonly<Record<string, string>> = { 'inner.example': '10.0.0.7', 'meta.example': '169.254.169.254' };
const lookedUp: string[] = [];
const resolve: Resolve = async (name) => {
  lookedUp.push(name);
  if (name === 'nowhere.example') throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' });
  return [{ address: NAMES[name] ?? '93.184.216.34', family: 4 }];
};

const redis = await redisForFile();
const api = await apiForFile({}, { redis, resolve });

describe('git servers', () => {
  const from = async (url: string, headers?: Record<string, string>) => {
    const answer = await api.post('/v1/builds', { source: { type: 'git', url } }, headers);
    return answer.status === 202 ? 'accepted' : await problemIn(answer);
  };

  test.each([
    'https://inner.example/app',
    'http://meta.example/latest',
    'http://127.0.0.1/app',
    'http://0x7f.1/app',
    'http://[::1]:8080/app',
    'http://[::ffff:10.0.0.1]/app',
    'git://inner.example/app',
  ])('at %s, in a private network, are refused', async (url) => {
    const problem = await from(url);
    expect(problem).toMatchObject({
      ...{ status: 403, code: 'target_refused' },
      errors: [{ field: 'source.url', expected: expect.stringContaining('KILN_ALLOWED_HOSTS') }],
    });
    // The problem doesn't reveal the address that the name resolves to.
    expect(JSON.stringify(problem)).not.toContain('10.0.0.7');
  });

  test('with a name that can’t be resolved here are left to the worker, and each name is resolved only now and then', async () => {
    lookedUp.length = 0;
    for (let i = 0; i < 3; i += 1) expect(await from('https://nowhere.example/app')).toBe('accepted');
    expect(lookedUp).toEqual(['nowhere.example']);
  });

  test('are limited to those of the team, also on a retry', async () => {
    const { headers } = await api.token({ team: 'forge', scopes: BUILDS });
    const { id } = (await (await api.post('/v1/builds', GIT, headers)).json()) as { id: string };
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    const changed = await api.fetch('/v1/limits/teams/forge', {
      method: 'PATCH',
      body: JSON.stringify({ gitHosts: ['github.com/acme/*'] }),
      headers: { 'content-type': 'application/json' },
    });
    expect(changed.status).toBe(200);
    expect(await from('https://github.com/acme/app.git', headers)).toBe('accepted');
    expect(await from('https://github.com/other/app.git', headers)).toMatchObject({ code: 'target_refused' });
    expect(await problemIn(await api.post(`/v1/builds/${id}/retry`, '', headers))).toMatchObject({
      code: 'target_refused',
    });
  });
});
