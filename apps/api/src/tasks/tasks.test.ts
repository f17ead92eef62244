import type { HostTask, TaskView } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestApi } from '../testing/test-api.ts';

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({}, { redis });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const join = (name: string, tasks?: string[], leaseMs = 60_000) =>
  api.state.hosts.sync(
    {
      ...{ name, slots: 1, platforms: [], labels: {}, driver: 'docker', accepting: true },
      ...{ engineVersion: '1', buildxVersion: '1', ...(tasks && { tasks }) },
    },
    { machine: `m-${name}`, incarnation: 'i1' },
    leaseMs,
  );
const create = async (host: string, repo?: string) =>
  (await api.state.tasks.create(host, { type: 'drop', ...(repo !== undefined && { repo }) }, 'ops')) as HostTask;
const read = async (path: string, init?: RequestInit) => (await api.fetch(path, init)).json();

test('GET /v1/tasks/:id says of a waiting task whether its host will start it', async () => {
  await join('live', ['drop']);
  await join('old');
  await join('away', ['drop']);
  await api.state.redis.del(api.state.keys.hostLease('away'));
  const states = await Promise.all(
    ['live', 'old', 'away'].map(async (name) => {
      const { id } = await create(name, 'team web app');
      return (await read(`/v1/tasks/${id}`)) as TaskView;
    }),
  );
  expect(states.map(({ hostState }) => hostState)).toEqual(['live', 'outdated', 'away']);
  expect(states[0]).toMatchObject({
    ...{ host: 'live', type: 'drop', repo: 'app', team: 'web', trust: 'trusted' },
    state: 'waiting',
  });
});

test('GET /v1/tasks/:id?wait= is answered when the task ends', async () => {
  await join('h1', ['drop']);
  const { id } = await create('h1');
  const waiting = read(`/v1/tasks/${id}?wait=60`);
  await api.state.tasks.claim({ host: 'h1', incarnation: 'i1' }, ['drop']);
  await api.state.tasks.settle({ host: 'h1', incarnation: 'i1' }, id, { result: { freedBytes: 3 } });
  expect(await waiting).toMatchObject({ state: 'succeeded', result: { freedBytes: 3 } });
  expect(await read(`/v1/tasks/${id}?wait=0`)).toMatchObject({ state: 'succeeded' });
});

test('a team sees the tasks of its own repos only, and an operator all of them', async () => {
  await join('h2', ['drop']);
  const [own, other, all] = [
    await create('h2', 'team web app'),
    await create('h2', 'team ops app'),
    await create('h2'),
  ];
  const web = await api.token({ team: 'web', scopes: ['builds:read'] });
  const operator = await api.token({ team: 'web', scopes: ['hosts:operate'] });
  const listed = async (headers: Record<string, string>) =>
    ((await read('/v1/tasks?host=h2', { headers })) as { tasks: TaskView[] }).tasks.map(({ id }) => id);
  expect(await listed(web.headers)).toEqual([own.id]);
  expect(await listed(operator.headers)).toEqual([all.id, other.id, own.id]);
  expect((await api.fetch(`/v1/tasks/${own.id}`, { headers: web.headers })).status).toBe(200);
  for (const { id } of [other, all]) {
    const answer = await api.fetch(`/v1/tasks/${id}?wait=60`, { headers: web.headers });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: 'task_not_found', errors: [{ field: 'id', got: id }] });
  }
});

test.each(['/v1/tasks/x', '/v1/tasks?host=H', '/v1/tasks?state=gone', '/v1/tasks?limit=0', '/v1/tasks?team=web'])(
  '%s is refused as invalid_request',
  async (path) => {
    expect(await read(path)).toMatchObject({ status: 400, code: 'invalid_request' });
  },
);
