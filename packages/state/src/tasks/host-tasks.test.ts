import { describe, expect } from 'vitest';
import { NotLeader } from '../builds/errors.ts';
import { type HostPool, test } from '../testing/host-pool.ts';
import { TaskLost, TooManyTasks } from './errors.ts';

const DROP = { type: 'drop', repo: 'app' } as const;
const by = (incarnation = 'i1') => ({ host: 'h1', incarnation });
const create = async (pool: HostPool) => (await pool.state.tasks.create('h1', DROP, 'ops'))?.id ?? '';
const claim = (pool: HostPool, incarnation = 'i1', running: string[] = []) =>
  pool.state.tasks.claim(by(incarnation), ['drop'], running);

test('a task is claimed, reports progress and ends, and each of these is announced', async ({ pool }) => {
  await pool.join();
  const before = await pool.events();
  const id = await create(pool);
  expect(await pool.events()).toBe(before + 2);
  expect(await pool.join()).toMatchObject({ tasks: 1 });
  expect(await pool.state.tasks.get(id)).toMatchObject({
    ...{ id, host: 'h1', order: DROP, createdBy: 'ops' },
    state: 'waiting',
  });
  expect(await claim(pool)).toMatchObject({ id, task: { state: 'running', order: DROP } });
  await pool.state.tasks.progress(by(), id, { bytes: 5, totalBytes: 9 });
  expect(await pool.state.tasks.get(id)).toMatchObject({ progress: { bytes: 5, totalBytes: 9 } });
  await pool.state.tasks.settle(by(), id, { result: { freedBytes: 9 } });
  expect(await pool.state.tasks.get(id)).toMatchObject({ state: 'succeeded', result: { freedBytes: 9 } });
  expect(await pool.events()).toBe(before + 5);
  expect(await pool.join()).toMatchObject({ tasks: 0 });
  expect(await pool.state.redis.ttl(pool.state.keys.task(id))).toBeGreaterThan(3_600);
});

test('an evaluation of bake files, which is large, is kept for minutes, and few of them may be open', async ({
  pool,
}) => {
  await pool.join();
  const bake = { files: { a: '' }, names: [], targets: [], set: [], flags: [], variables: {} };
  const evaluate = () => pool.state.tasks.create('h1', { type: 'evaluate', team: 'web', bake });
  const id = (await evaluate())?.id ?? '';
  for (let open = 1; open < 32; open += 1) await evaluate();
  await expect(evaluate()).rejects.toThrow(TooManyTasks);
  expect(await create(pool)).not.toBe('');
  await pool.state.tasks.claim(by(), ['evaluate']);
  await pool.state.tasks.settle(by(), id, { result: { printed: '{}' } });
  const ttl = await pool.state.redis.ttl(pool.state.keys.task(id));
  expect(ttl).toBeGreaterThan(60);
  expect(ttl).toBeLessThanOrEqual(600);
});

test('creating, claiming and settling may be repeated, as after a lost answer', async ({ pool }) => {
  const { tasks } = pool.state;
  await pool.join();
  const id = tasks.newId();
  await tasks.create('h1', DROP, 'ops', id);
  await tasks.create('h1', DROP, 'ops', id);
  expect(await tasks.list()).toHaveLength(1);
  expect((await claim(pool))?.id).toBe(id);
  expect((await claim(pool))?.id).toBe(id);
  expect(await claim(pool, 'i1', [id])).toBeUndefined();
  await tasks.settle(by(), id, { failure: { code: 'failed', message: 'no' } });
  await tasks.settle(by(), id, { result: {} });
  expect(await tasks.get(id)).toMatchObject({ state: 'failed', failure: { code: 'failed', message: 'no' } });
  expect(await claim(pool)).toBeUndefined();
});

test('tasks are claimed in the order of their creation, and only of types that the worker knows', async ({ pool }) => {
  await pool.join();
  const ids = [await create(pool), await create(pool)];
  expect(await pool.state.tasks.claim(by(), ['another'])).toBeUndefined();
  expect((await claim(pool))?.id).toBe(ids[0]);
  expect((await claim(pool, 'i1', ids.slice(0, 1)))?.id).toBe(ids[1]);
});

test('what a killed worker left unfinished is claimed by its successor, and the old one can write nothing any more', async ({
  pool,
}) => {
  await pool.join();
  const id = await create(pool);
  await claim(pool);
  await pool.join('i2');
  expect(await claim(pool, 'i2')).toMatchObject({ id });
  await expect(claim(pool)).rejects.toThrow(TaskLost);
  await expect(pool.state.tasks.progress(by(), id, { bytes: 1 })).rejects.toThrow(TaskLost);
  await expect(pool.state.tasks.settle(by(), id, { result: {} })).rejects.toThrow(TaskLost);
  await pool.state.tasks.settle(by('i2'), id, { result: {} });
});

test('a task of a newer version’s form is claimed without its order, so that it can be refused', async ({ pool }) => {
  await pool.join();
  const id = await create(pool);
  const doc = JSON.stringify({ id, host: 'h1', createdAt: 1, order: { type: 'drop', kinds: 'all' } });
  await pool.state.redis.hset(pool.state.keys.task(id), 'doc', doc);
  expect(await claim(pool)).toEqual({ id, task: undefined });
});

describe('a host that is away', () => {
  test('keeps its tasks until it is back', async ({ pool }) => {
    await pool.join();
    await pool.lose();
    const id = await create(pool);
    await pool.join('i2');
    expect((await claim(pool, 'i2'))?.id).toBe(id);
  });

  test('and has left stays on the list while it has tasks, for a day', async ({ pool }) => {
    await pool.join();
    const id = await create(pool);
    await pool.state.hosts.leave('h1', 'i1');
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.host()).toMatchObject({ left: true });
    await pool.state.redis.hset(pool.state.keys.host('h1'), 'lastSeenAt', 1);
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.state.hosts.get('h1')).toBeUndefined();
    expect(await pool.state.tasks.get(id)).toMatchObject({ state: 'failed', failure: { code: 'host_removed' } });
  });
});

test('removing a host fails its open tasks', async ({ pool }) => {
  await pool.join();
  const ids = [await create(pool), await create(pool)];
  await claim(pool);
  await pool.operations.remove('h1', false);
  for (const id of ids) {
    expect(await pool.state.tasks.get(id)).toMatchObject({ state: 'failed', failure: { code: 'host_removed' } });
  }
  expect(await pool.state.redis.exists(pool.state.keys.hostTasks('h1'))).toBe(0);
});

test('create refuses a host that the pool doesn’t have, and one with too many open tasks', async ({ pool }) => {
  expect(await pool.state.tasks.create('h1', DROP)).toBeUndefined();
  expect(await pool.state.tasks.list()).toEqual([]);
  await pool.join();
  const many = Array.from({ length: 1_000 }, (_, i) => [i, `other-${i}`]).flat();
  await pool.state.redis.zadd(pool.state.keys.hostTasks('h1'), ...many);
  await expect(create(pool)).rejects.toThrow(TooManyTasks);
});

test('createAsLeader creates a task once, and refuses a scheduler that no longer leads', async ({ pool }) => {
  const { tasks } = pool.state;
  await pool.join();
  const id = tasks.newId();
  await expect(tasks.createAsLeader('h1', DROP, id, '1-stale')).rejects.toThrow(NotLeader);
  expect(await tasks.list()).toEqual([]);
  await tasks.createAsLeader('h1', DROP, id, pool.token);
  await tasks.createAsLeader('h1', DROP, id, pool.token);
  expect(await tasks.list()).toHaveLength(1);
  await expect(tasks.createAsLeader('h1', DROP, id, '1-stale')).rejects.toThrow(NotLeader);
});

test('list returns the newest first, by host and state, without what has expired', async ({ pool }) => {
  const { tasks, redis, keys } = pool.state;
  await pool.join();
  const ids = [await create(pool), await create(pool), await create(pool)];
  await claim(pool);
  expect((await tasks.list()).map(({ id }) => id)).toEqual(ids.toReversed());
  expect((await tasks.list({ state: 'running' })).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(await tasks.list({ host: 'h2' })).toEqual([]);
  expect(await tasks.list({}, 1)).toHaveLength(1);
  await redis.del(keys.task(ids[0] ?? ''));
  expect(await tasks.list()).toHaveLength(2);
  await create(pool);
  expect(await redis.zscore(keys.tasks(), ids[0] ?? '')).toBeNull();
});
