import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import { runScript } from '../redis/scripts.ts';
import { FaultyRedis, type RedisFault, type SeenCommand } from './faulty-redis.ts';
import { TestRedis } from './test-redis.ts';

let server: TestRedis;
let proxy: FaultyRedis;
let redis: Redis;

beforeAll(async () => {
  server = await TestRedis.start();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  proxy = await FaultyRedis.start(server.url, { silenceMs: 20 });
  redis = connectRedis(proxy.url, () => {});
  await redis.flushall();
});
afterEach(async () => {
  redis.disconnect();
  await proxy[Symbol.asyncDispose]();
});

/** Injects a fault into the first command of this name only. */
function once(name: string, fault: RedisFault): SeenCommand[] {
  const seen: SeenCommand[] = [];
  proxy.fault = (command) => {
    if (command.name !== name || seen.length > 0) return undefined;
    seen.push(command);
    return fault;
  };
  return seen;
}

test('passes on commands and replies of any type and size', async () => {
  const large = 'x'.repeat(300_000);
  const answers = await Promise.all([
    redis.set('a', large),
    redis.get('a'),
    redis.hset('h', { a: '1', b: '2' }),
    redis.hgetall('h'),
    redis.get('none'),
    redis.eval("return { 1, { 'x', false }, redis.status_reply('fine') }", 0),
    redis.multi().incr('n').get('n').exec(),
    redis.xadd('s', '1-1', 'f', 'v').then(() => redis.xread('BLOCK', 10, 'STREAMS', 's', '0')),
  ]);
  expect(answers).toEqual([
    'OK',
    large,
    2,
    { a: '1', b: '2' },
    null,
    [1, ['x', null], 'fine'],
    [
      [null, 1],
      [null, '1'],
    ],
    [['s', [['1-1', ['f', 'v']]]]],
  ]);
});

test.each(['OOM', 'NOREPLICAS', 'LOADING', 'READONLY'] as const)(
  'replies with %s in order, and doesn’t execute the command',
  async (fault) => {
    once('incr', fault);
    const answers = await Promise.allSettled([redis.set('a', '1'), redis.incr('a'), redis.get('a')]);
    expect(answers).toMatchObject([
      { value: 'OK' },
      { reason: { name: 'ReplyError', message: expect.stringMatching(`^${fault} `) } },
      { value: '1' },
    ]);
  },
);

test.each(['silence', 'reset'] as const)(
  'after %s the client sends the command again, and it is executed once',
  async (fault) => {
    const seen = once('incr', fault);
    expect(await redis.incr('a')).toBe(1);
    expect(seen).toHaveLength(1);
  },
);

test('after a lost reply the client sends the executed command again, so it is executed twice', async () => {
  once('incr', 'lost reply');
  expect(await redis.incr('a')).toBe(2);
});

describe('a transaction', () => {
  test.each(['set', 'exec'])('with a refused %s executes nothing, and the connection stays usable', async (name) => {
    once(name, 'OOM');
    await expect(redis.multi().set('a', '1').set('b', '1').exec()).rejects.toThrow(/^(EXECABORT|OOM) /);
    expect(await redis.mget('a', 'b')).toEqual([null, null]);
    expect(await redis.multi().set('a', '1').exec()).toEqual([[null, 'OK']]);
  });
});

test('recognises Kiln’s scripts by their digest and by their source', async () => {
  const names: string[] = [];
  proxy.fault = ({ name }) => {
    names.push(name);
    return undefined;
  };
  await runScript(redis, 'release-lock', ['lock'], ['me']);
  await runScript(redis, 'release-lock', ['lock'], ['me']);
  expect(names).toEqual(['release-lock', 'release-lock']);
});
