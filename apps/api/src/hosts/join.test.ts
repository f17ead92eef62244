import { networkInterfaces } from 'node:os';
import type { Problem } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import type { JoinConfig } from '../config.ts';
import { redisForFile } from '../testing/for-file.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';
import { joinGrant } from './join-grant.ts';

const JOIN: JoinConfig = {
  tokens: ['the-join-token'],
  redisUrl: 'redis://:pw@redis.example:6379',
  namespace: 'pool',
  secretKey: Buffer.alloc(32, 1).toString('base64'),
};
const AS_WORKER = { authorization: `Bearer ${JOIN.tokens[0]}` };
const ID = '01arz3ndektsv4rrffq69g5fav';

const redis = await redisForFile();

describe('POST /v1/workers/join', () => {
  test('gives a worker what it needs, which never gets into the log or a cache', async () => {
    await using api = await TestApi.start({ join: JOIN }, { redis });
    const answer = await api.post('/v1/workers/join', { name: 'h2' }, AS_WORKER);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { redisUrl, namespace, secretKey } = JOIN;
    expect(await answer.json()).toEqual({ redisUrl, namespace, secretKey });
    expect(api.logged.join('')).toContain('worker joins');
    expect(api.logged.join('')).not.toMatch(new RegExp(`${JOIN.tokens[0]}|:pw@|${JOIN.secretKey}`));
  });

  test('names the wrong field', async () => {
    await using api = await TestApi.start({ join: JOIN }, { redis });
    const post = async (body: unknown, headers: Record<string, string>) =>
      (await (await api.post('/v1/workers/join', body, headers)).json()) as Problem;
    expect(await post({ name: 'Not A Name' }, AS_WORKER)).toMatchObject({ errors: [{ field: 'name' }] });
    expect(await post({ name: 'h2' }, { authorization: 'Bearer nope' })).toMatchObject({ code: 'unauthorized' });
    expect(await post({ name: 'h2' }, { authorization: `Bearer ${TOKEN}` })).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining('only a worker may do this, with the join token'),
    });
  });

  test('is refused if joining is not configured; otherwise a worker token from an admin works, too', async () => {
    for (const config of [{}, { join: { ...JOIN, tokens: [] } }]) {
      await using api = await TestApi.start(config, { redis });
      const { headers } = await api.token({ kind: 'worker', team: '*', scopes: [] });
      const answer = await api.post('/v1/workers/join', { name: 'h2' }, headers);
      if ('join' in config) expect(answer.status).toBe(200);
      else
        expect(await answer.json()).toMatchObject({
          code: 'join_impossible',
          detail: expect.stringContaining('not configured for joining workers'),
        });
    }
  });

  test('accepts the join token, which allows only what a worker does', async () => {
    await using api = await TestApi.start({ join: JOIN }, { redis });
    const { id } = await api.submit();
    await api.run(id);
    const stored = await api.fetch(`/v1/artifacts/${id}-1`, { method: 'PUT', headers: AS_WORKER, body: 'a tar' });
    expect(stored.status).toBe(201);
    const context = await api.fetch(`/v1/contexts/sha256:${'0'.repeat(64)}`, { headers: AS_WORKER });
    expect(((await context.json()) as Problem).code).toBe('context_not_found');
    for (const path of ['/v1/builds', `/v1/builds/${ID}`, '/v1/hosts', `/v1/builds/${id}/logs`]) {
      const answer = await api.fetch(path, { headers: AS_WORKER });
      expect((await answer.json()) as Problem).toMatchObject({ status: 403, code: 'forbidden' });
    }
  });

  test('stops the start if one token is both a user’s and a join token', async () => {
    await expect(TestApi.start({ join: { ...JOIN, tokens: [TOKEN] } }, { redis })).rejects.toThrow(
      'join.tokens: got a token that is also a user’s',
    );
    await expect(TestApi.start({ join: { ...JOIN, tokens: [''] } }, { redis })).rejects.toThrow(
      'got none or an empty one',
    );
  });
});

describe('the Redis URL for a worker', () => {
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  const grant = (redisUrl: string, remoteAddress: string, localAddress = '10.1.2.3') =>
    joinGrant({ ...JOIN, redisUrl }, { remoteAddress, localAddress }).redisUrl;

  test.each([
    ['redis://:pw@redis.example:6379', '10.9.9.9'],
    ['rediss://redis.example', '::ffff:10.9.9.9'],
    ['redis+sentinel://:pw@a:1,b:2/main', '10.9.9.9'],
    ['unix:///run/redis.sock', '127.0.0.1'],
    ['unix://:pw@/run/redis.sock', '::ffff:127.0.0.1'],
    ['redis://127.0.0.1:6379', '::1'],
    ['redis://localhost', own?.address ?? 'no address but loopback'],
  ])('%s, for a worker at %s, is given as it is', (redisUrl, remote) => {
    expect(grant(redisUrl, remote)).toBe(redisUrl);
  });

  test('has the address at which the worker reached the API, if Redis listens on all addresses', () => {
    expect(grant('redis://:pw@0.0.0.0:7701', '10.9.9.9', '::ffff:10.1.2.3')).toBe('redis://:pw@10.1.2.3:7701');
    expect(grant('redis://:pw@[::]:7701', 'fd00::9', 'fd00::1')).toBe('redis://:pw@[fd00::1]:7701');
  });

  test.each([
    ['unix:///run/redis.sock', 'listens on a unix socket only'],
    ['redis://127.0.0.1:6379', 'listens on 127.0.0.1 only'],
    ['redis://localhost:6379', 'listens on localhost only'],
    ['redis://[::1]:6379', 'listens on ::1 only'],
  ])('%s is refused for workers elsewhere, with what to do', (redisUrl, why) => {
    expect(() => grant(redisUrl, '10.9.9.9')).toThrow(why);
    expect(() => grant(redisUrl, '10.9.9.9')).toThrow(
      /a worker at 10\.9\.9\.9 cannot reach.*--listen-workers.*KILN_WORKER_REDIS_URL/,
    );
  });
});
