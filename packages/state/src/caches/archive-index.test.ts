import { afterAll, beforeAll, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { ArchiveIndex } from './archive-index.ts';

let redis: TestRedis;
let state: State;
beforeAll(async () => {
  redis = await TestRedis.start();
  const secretKey = Buffer.alloc(32, 1);
  state = await openState({ redisUrl: redis.url, namespace: 'archives', secretKey, onError: () => {} });
});
afterAll(async () => {
  await state[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const archive = (savedAt: number) => ({ root: `sha256:${savedAt}`, bytes: 1, savedAt });

test('finds the archive of the first key that has one, else the newest of the repo, and none of another repo', async () => {
  const index = new ArchiveIndex(state.redis, state.keys);
  await index.save('team web app', 'main', archive(1));
  await index.save('team web app', 'dev', archive(2));
  await index.save('untrusted web app', 'main', archive(3));
  const root = async (repo: string, ...keys: string[]) => (await index.find(repo, keys))[0]?.root;
  expect(await root('team web app', 'main')).toBe('sha256:1');
  expect(await root('team web app', 'new', 'main')).toBe('sha256:1');
  expect(await root('team web app', 'new')).toBe('sha256:2');
  expect(await root('untrusted web app', 'main')).toBe('sha256:3');
  expect(await root('app', 'main')).toBeUndefined();
  await index.save('team web app', 'main', archive(4));
  expect(await root('team web app', 'main')).toBe('sha256:4');
});

test('forgets the oldest archives of a repo that has very many', async () => {
  const index = new ArchiveIndex(state.redis, state.keys);
  for (let i = 1; i <= 60; i++) await index.save('many', `branch-${i}`, archive(i));
  expect(await state.redis.hlen(state.keys.archives('many'))).toBe(50);
  expect((await index.find('many', ['branch-10']))[0]?.key).toBe('branch-60');
});

test('forgets the oldest archives of a repo whose archives are very large, but never the newest', async () => {
  const index = new ArchiveIndex(state.redis, state.keys, { keptBytes: 100 });
  const keys = async () => (await index.find('large', ['first'])).map(({ key }) => key);
  await index.save('large', 'first', { ...archive(1), bytes: 40 });
  await index.save('large', 'second', { ...archive(2), bytes: 60 });
  expect(await keys()).toEqual(['first', 'second']);
  await index.save('large', 'third', { ...archive(3), bytes: 30 });
  expect(await keys()).toEqual(['third', 'second']);
  await index.save('large', 'huge', { ...archive(4), bytes: 1_000 });
  expect(await keys()).toEqual(['huge']);
});
