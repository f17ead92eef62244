import { FIRST_GUESS, type LearnedPool, type LearnedRepo } from '@kiln/domain';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { LearnedStore } from './learned-store.ts';

let redis: TestRedis;
let state: State;
let token: string;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const namespace = `learned-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  token = (await new Leadership(state.redis, state.keys, 'leader', 60_000).hold()) ?? '';
  return () => state[Symbol.asyncDispose]();
});

const POOL: LearnedPool = { estimate: FIRST_GUESS, horizonMs: 3_600_000, watchedSince: 5 };
const runs = (mean: number) => ({ mean, samples: 3, drift: -1.5, spread: 2 });
const repo = (warm: number): LearnedRepo => ({
  estimate: { warm: runs(warm), cold: runs(4 * warm), bytes: 7 },
  demand: { value: 1.25, at: 1_000 },
});

test('a pool that has learned nothing has nothing', async () => {
  expect(await state.learned.load()).toEqual({ pool: undefined, repos: new Map() });
});

test('what was saved is loaded; repos that aren’t named again stay', async () => {
  expect(
    await state.learned.save(
      POOL,
      [
        ['app', repo(10)],
        ['web', repo(20)],
      ],
      token,
    ),
  ).toBe('saved');
  const later = { ...POOL, horizonMs: 600_000 };
  expect(await state.learned.save(later, [['app', repo(11)]], token)).toBe('saved');
  expect(await state.learned.load()).toEqual({
    pool: later,
    repos: new Map([
      ['app', repo(11)],
      ['web', repo(20)],
    ]),
  });
});

test('a leader that no longer leads changes nothing', async () => {
  await state.learned.save(POOL, [['app', repo(10)]], token);
  expect(await state.learned.save({ ...POOL, horizonMs: 1 }, [['app', repo(99)]], '1-stale')).toBe('not_leader');
  expect(await state.learned.load()).toEqual({ pool: POOL, repos: new Map([['app', repo(10)]]) });
});

test('what can’t be read counts as unknown, and nothing else does', async () => {
  await state.learned.save(POOL, [['good', repo(10)]], token);
  await state.redis.hset(
    state.keys.learnedRepos(),
    'torn',
    '{"estimate":{"warm"',
    'odd',
    '{"estimate":{"warm":{"mean":-1}}}',
  );
  await state.redis.set(state.keys.learnedPool(), '{"horizonMs":"long"}');
  expect(await state.learned.load()).toEqual({ pool: undefined, repos: new Map([['good', repo(10)]]) });
});

test('beyond the limit the repos that changed longest ago are removed', async () => {
  let now = 1_000;
  const store = new LearnedStore(state.redis, state.keys, () => now++, 2);
  for (const name of ['a', 'b', 'a', 'c']) await store.save(POOL, [[name, repo(1)]], token);
  expect([...(await store.load()).repos.keys()].sort()).toEqual(['a', 'c']);
  expect(await state.redis.zcard(state.keys.learnedAt())).toBe(2);
});
