import { ANONYMOUS, type Principal } from '@kiln/domain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import { createKeys } from '../redis/keys.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { SessionStore } from './session-store.ts';

const ALICE: Principal = { ...ANONYMOUS, kind: 'session', id: 'oidc:corp:alice', name: 'alice', team: 'web' };
const keys = createKeys('sessions');
let server: TestRedis;
let redis: ReturnType<typeof connectRedis>;

beforeAll(async () => {
  server = await TestRedis.start();
  redis = connectRedis(server.url, () => {});
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});

test('every process finds a session by its secret until it is ended or has expired', async () => {
  const [here, there] = [new SessionStore(redis, keys), new SessionStore(redis, keys)];
  const kept = await here.create('secret-1', ALICE, 60_000);
  await here.create('secret-2', ALICE, 60_000);
  expect(kept).toMatchObject({ ...ALICE, credentialId: expect.stringMatching(/^session:[0-9a-f]{32}$/) });
  expect(await there.find('secret-1')).toEqual(kept);
  expect(await there.find('secret-3')).toBeUndefined();
  expect((await redis.keys('*')).join()).not.toContain('secret-');
  expect(await there.end('secret-1')).toBe(true);
  expect([await here.find('secret-1'), await here.end('secret-1')]).toEqual([undefined, false]);
  expect(await here.find('secret-2')).toBeDefined();
  const [[, fields]] = (await redis.xrange(keys.events(), '-', '+')) as [[string, string[]]];
  expect(fields).toEqual(['type', 'credential', 'id', kept.credentialId]);
  await here.create('short', ALICE, 20);
  await expect.poll(() => here.find('short')).toBeUndefined();
});
