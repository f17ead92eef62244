import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redisOptions } from '../redis/connect.ts';
import { createKeys } from '../redis/keys.ts';
import { moment } from '../testing/rewind.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { Leadership } from './leadership.ts';

const TTL_MS = 60_000;
let server: TestRedis;
let redis: Redis;
const keys = createKeys('lead');
const leadership = (owner: string) => new Leadership(redis, keys, owner, TTL_MS);
const endLease = () => redis.del(keys.leader());

beforeAll(async () => {
  server = await TestRedis.start();
  redis = new Redis(redisOptions(server.url));
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => void redis.flushall());

test('one owner leads, and keeps its token until another one has led', async () => {
  const token = await leadership('a').hold();
  expect(await leadership('b').hold()).toBeUndefined();
  expect(await leadership('a').hold()).toBe(token);
  await leadership('a').release();
  const next = await leadership('b').hold();
  expect(next).not.toBe(token);
  expect(Number.parseInt(next ?? '', 10)).toBeGreaterThan(Number.parseInt(token ?? '', 10));
});

test('a token that Redis has lost is never given out again, not even to the same owner', async () => {
  await leadership('a').hold();
  await endLease();
  const before = await moment(redis);
  const given = new Set<string | undefined>();
  for (const owner of ['b', 'b', 'c', 'a', 'b']) {
    given.add(await leadership(owner).hold());
    await before.rewind();
  }
  await redis.flushall();
  given.add(await leadership('a').hold());
  expect(given.size).toBe(6);
});

test('an older version’s number keeps growing, and invalidates the tokens of newer leaders', async () => {
  await redis.set(keys.leaderToken(), 41);
  const token = await leadership('a').hold();
  expect(Number.parseInt(token ?? '', 10)).toBeGreaterThan(41);
  expect(await leadership('a').hold()).toBe(token);
  // A leader of an older version increments the number, then loses its lease to a newer version.
  await redis.incr(keys.leaderToken());
  expect(await leadership('a').hold()).not.toBe(token);
});
