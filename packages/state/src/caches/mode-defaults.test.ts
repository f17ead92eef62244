import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { ModeDefaults } from './mode-defaults.ts';

let redis: TestRedis;
let pool: TestPool;
let modes: ModeDefaults;

beforeAll(async () => {
  redis = await TestRedis.start();
  pool = await TestPool.open(redis.url, 'modes');
  modes = pool.state.modeDefaults;
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const of = (repo: string, mode: 'archive' | 'fresh' = 'archive') => ({ repo, mode, setAt: 1, setBy: 'me' });

test('the first repo that has a default decides, and other teams have none of it', async () => {
  await modes.set('web', of('app'));
  await modes.set('web', of('app//api', 'fresh'));
  expect(await modes.first('web', ['app//api', 'app'])).toEqual(of('app//api', 'fresh'));
  expect(await modes.first('web', ['app//ui', 'app'])).toEqual(of('app'));
  expect(await modes.first('ops', ['app'])).toBeUndefined();
  await modes.remove('web', 'app');
  await modes.remove('web', 'app');
  expect(await modes.first('web', ['app//ui', 'app'])).toBeUndefined();
  expect(await modes.list('web')).toEqual([of('app//api', 'fresh')]);
});

test('a mode that only a newer version knows counts as none', async () => {
  const { redis: connection, keys } = pool.state;
  await connection.hset(keys.cacheModes('new'), 'app', JSON.stringify({ ...of('app'), mode: 'later' }));
  expect(await modes.first('new', ['app'])).toBeUndefined();
  expect(await modes.list('new')).toEqual([]);
});

test('a team has at most 1,000 of them, of which each can still be changed', async () => {
  const { redis: connection, keys } = pool.state;
  const docs = Array.from({ length: 1_000 }, (_, i) => [`r${i}`, JSON.stringify(of('x'))] as const);
  await connection.hset(keys.cacheModes('big'), new Map(docs));
  await expect(modes.set('big', of('one more'))).rejects.toMatchObject({ code: 'too_many_mode_defaults', most: 1_000 });
  await modes.set('big', of('r7', 'fresh'));
  expect((await modes.first('big', ['r7']))?.mode).toBe('fresh');
});
