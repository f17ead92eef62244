import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import { createKeys } from '../redis/keys.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { ContextTeams } from './context-teams.ts';
import { type NewToken, TokenStore } from './token-store.ts';

const NEW: NewToken = {
  ...{ kind: 'api', name: 'ci', team: 'web', scopes: ['builds:write'], trust: 'trusted', createdBy: 'local admin' },
};
const text = (byte: number) => formatToken('api', new Uint8Array(TOKEN_BYTES).fill(byte));
let server: TestRedis;
let redis: ReturnType<typeof connectRedis>;
let now = 1_000_000;
const keys = createKeys('tokens');
const open = () => new TokenStore(redis, keys, () => now);

beforeAll(async () => {
  server = await TestRedis.start();
  redis = connectRedis(server.url, () => {});
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  now = 1_000_000;
  await redis.flushall();
});

test('a token is found by its text, which isn’t stored', async () => {
  const store = open();
  const created = await store.create(text(1), { ...NEW, expiresAt: 2_000_000 });
  expect(await open().find(text(1))).toEqual(created);
  expect(created).toMatchObject({ ...NEW, createdAt: now, expiresAt: 2_000_000 });
  expect(await store.find(text(2))).toBeUndefined();
  expect(await store.find('')).toBeUndefined();
  const everything = await dump();
  expect(everything).toContain('local admin');
  expect(everything).not.toContain(text(1).slice('kiln_api_'.length, 40));
  await expect(store.create(text(1), NEW)).rejects.toThrow('exists');
});

test('a revoked token is refused at once by every process', async () => {
  const [here, there] = [open(), open()];
  const { id } = await here.create(text(1), NEW);
  const other = await here.create(text(2), NEW);
  expect((await there.find(text(1)))?.id).toBe(id);
  expect(await here.revoke(id)).toMatchObject({ id, name: 'ci' });
  expect(await there.find(text(1))).toBeUndefined();
  expect(await there.list()).toEqual([other]);
  expect(await here.revoke(id)).toBeUndefined();
  const [[, fields]] = (await redis.xrange(keys.events(), '-', '+')) as [[string, string[]]];
  expect(fields).toEqual(['type', 'credential', 'id', id]);
});

test('uses are recorded once a minute, and never restore a revoked token', async () => {
  const store = open();
  const { id } = await store.create(text(1), NEW);
  const used = async () => (await store.find(text(1)))?.usedAt;
  expect(await used()).toBeUndefined();
  await store.noteUse(text(1));
  expect(await used()).toBe(1_000_000);
  now += 59_999;
  await store.noteUse(text(1));
  expect(await used()).toBe(1_000_000);
  now += 1;
  await store.noteUse(text(1));
  expect(await used()).toBe(1_060_000);
  expect((await store.list())[0]?.usedAt).toBe(1_060_000);
  expect(await store.revoke(id)).toMatchObject({ usedAt: 1_060_000 });
  now += 100_000;
  await store.noteUse(text(1));
  expect(await store.find(text(1))).toBeUndefined();
  expect(await redis.keys('*token:*')).toEqual([]);
});

test('a context is accessible to the teams that were granted it, until the grant expires', async () => {
  const teams = new ContextTeams(redis, keys);
  await teams.grant('sha256:a', 'web', 60_000);
  await teams.grant('sha256:a', 'ops', 60_000);
  const has = (team: string, digest = 'sha256:a') => teams.has(digest, team);
  expect(await Promise.all([has('web'), has('ops'), has('other'), has('web', 'sha256:b')])).toEqual([
    ...[true, true, false, false],
  ]);
  expect(await redis.pttl(keys.contextTeams('sha256:a'))).toBeGreaterThan(50_000);
});

/** The whole content of Redis, as text. */
async function dump(): Promise<string> {
  const parts = await Promise.all(
    (await redis.keys('*')).map(async (key) => {
      const type = await redis.type(key);
      return key + JSON.stringify(type === 'hash' ? await redis.hgetall(key) : type);
    }),
  );
  return parts.join('\n');
}
