import type { CacheListView, CacheView, HostInventory, TaskView } from '@kiln/contracts';
import { InventoryStore, SavingStore, UsageStore } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestApi } from '../testing/test-api.ts';

let redis: TestRedis;
let api: TestApi;
const writer = (host: string) => ({ host, incarnation: 'i1' });
const [WEB, OPS] = ['team web app', 'team ops app'];
const [WEB_NPM, OPS_NPM, TEAM_NPM] = ['aa//root/.npm', 'bb//root/.npm', 'team-web//root/.npm'];

/** Host a has mounts of both teams, one of which is shared within its team; host b has none. */
beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({}, { redis });
  const { hosts } = api.state;
  for (const name of ['a', 'b']) {
    await hosts.sync(
      {
        ...{ name, slots: 1, platforms: [], labels: {}, driver: 'docker', accepting: true, tasks: ['drop'] },
        ...{ engineVersion: '1', buildxVersion: '1', disk: { totalBytes: 9, freeBytes: 5, treeBytes: 3 } },
      },
      { machine: `m-${name}`, incarnation: 'i1' },
      600_000,
    );
  }
  const mount = (id: string, bytes: number) => ({ id, bytes, lastUsedAt: 5_000, inUse: false, records: 1 });
  const inventory: HostInventory = {
    ...{ sizesAreFloors: false, usedBytes: 1, mountsLeftOut: 0, layers: { count: 1, bytes: 7 } },
    mounts: [mount(WEB_NPM, 40), mount(OPS_NPM, 30), mount(TEAM_NPM, 20), mount('cc//unknown', 10)],
    repoLayers: [{ repo: WEB, bytes: 7, lastUsedAt: 6_000 }],
  };
  await new InventoryStore(api.state.redis, api.state.keys).publish(writer('a'), inventory, 1);
  const usages = new UsageStore(api.state.redis, api.state.keys);
  const used = (...ids: string[]) => ({
    ...{ mounts: ids.map((id) => ({ id, bytes: 1 })), layerBytes: 0, sizesAreFloors: false },
  });
  await usages.learn(writer('a'), WEB, used(WEB_NPM, TEAM_NPM));
  await usages.learn(writer('a'), OPS, used(OPS_NPM));
  const savings = new SavingStore(api.state.redis, api.state.keys);
  await savings.learn(writer('a'), WEB, 30_000, 1);
  await savings.learn(writer('a'), WEB, 12_000, 2);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const list = async (query = '', headers?: Record<string, string>) =>
  (await (await api.fetch(`/v1/caches${query}`, headers && { headers })).json()) as CacheListView;
const shape = ({ host, kind, mount, bytes }: CacheView) => [host, kind, mount ?? '-', bytes].join(' ');
const drop = async (body: unknown, headers?: Record<string, string>) => {
  const answer = await api.post('/v1/caches/drop', body, headers);
  return {
    status: answer.status,
    body: (await answer.json()) as { tasks: TaskView[]; code?: string; errors?: object[] },
  };
};

test('GET /v1/caches lists the caches of all hosts with kind, use and what they saved, the largest first', async () => {
  const { caches } = await list();
  expect(caches.map(shape)).toEqual([
    ...['a dependencies /root/.npm 40', 'a dependencies /root/.npm 30', 'a dependencies /root/.npm 20'],
    ...['a outputs /unknown 10', 'a layers - 7', 'a tree - 3'],
  ]);
  expect(caches[0]).toEqual({
    ...{ host: 'a', kind: 'dependencies', id: WEB_NPM, mount: '/root/.npm', scope: 'repo', bytes: 40, inUse: false },
    ...{ repos: [{ repo: 'app', team: 'web', trust: 'trusted' }], hits: 2, savedSeconds: 42 },
    lastUsedAt: new Date(5_000).toISOString(),
  });
  expect(caches[2]).toMatchObject({ scope: 'team' });
});

test('GET /v1/caches narrows the list by repo, host and kind', async () => {
  expect((await list('?host=b')).caches).toEqual([]);
  expect((await list('?kind=layers')).caches.map(shape)).toEqual(['a layers - 7']);
  expect((await list('?repo=app')).caches).toHaveLength(4);
  expect(await list('?repo=none')).toEqual({ caches: [], omitted: 0 });
  expect(await list('?limit=2')).toMatchObject({ omitted: 4, caches: { length: 2 } });
});

test('a team sees only the caches of its own repos', async () => {
  const { headers } = await api.token({ team: 'ops', scopes: ['builds:read'] });
  expect((await list('', headers)).caches.map(({ id }) => id)).toEqual([OPS_NPM]);
  const none = await api.token({ team: 'nobody', scopes: ['builds:read'] });
  expect(await list('?repo=app', none.headers)).toEqual({ caches: [], omitted: 0 });
});

test('POST /v1/caches/drop creates a task for each host, or for those that are named', async () => {
  const all = await drop({ repo: 'app', team: 'web', mounts: ['/root/.npm'] });
  expect(all.status).toBe(202);
  expect(all.body.tasks.map(({ host }) => host)).toEqual(['a', 'b', 'h1']);
  expect(all.body.tasks[0]).toMatchObject({
    ...{ type: 'drop', repo: 'app', team: 'web', state: 'waiting', hostState: 'live' },
    order: { repo: WEB, mounts: ['/root/.npm'] },
  });
  const one = await drop({ unusedForSeconds: 60, kinds: ['outputs'], hosts: ['b', 'b'], dryRun: true });
  expect(one.body.tasks.map(({ host, order }) => [host, order])).toEqual([
    ['b', { unusedForMs: 60_000, kinds: ['outputs'], dryRun: true }],
  ]);
});

test('a team’s token drops only its own team’s caches, and learns nothing of others', async () => {
  const { headers } = await api.token({ team: 'ops', scopes: ['builds:write'] });
  const own = await drop({ unusedForSeconds: 60 }, headers);
  expect(own.body.tasks[0]).toMatchObject({ team: 'ops', order: { team: 'ops' } });
  expect((await drop({ repo: 'app', shared: true }, headers)).body.tasks[0]?.order).toMatchObject({
    repo: OPS,
    team: 'ops',
  });
  expect((await drop({ repo: 'app', team: 'web' }, headers)).status).toBe(403);
  const nobody = await api.token({ team: 'nobody', scopes: ['builds:write'] });
  const unknown = await drop({ repo: 'app' }, nobody.headers);
  expect(unknown).toMatchObject({
    status: 404,
    body: { code: 'cache_not_found', errors: [{ field: 'repo', got: 'app' }] },
  });
  expect(JSON.stringify(unknown.body)).not.toMatch(/web|ops/);
});

test.each([
  [{ repo: '' }, 'repo'],
  [{ repo: 'app', mounts: [] }, 'mounts'],
  [{ kinds: ['all'] }, 'kinds[0]'],
  [{ hosts: ['A'] }, 'hosts[0]'],
  [{ unusedForSeconds: -1 }, 'unusedForSeconds'],
  [{ path: '/' }, 'path'],
])('POST /v1/caches/drop refuses %j, and creates no task', async (body, field) => {
  const before = (await api.state.tasks.list()).length;
  expect(await drop(body)).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ field }] } });
  expect((await api.state.tasks.list()).length).toBe(before);
});

test('POST /v1/caches/drop refuses a host or repo that the pool doesn’t know, before any task is created', async () => {
  const before = (await api.state.tasks.list()).length;
  expect(await drop({ hosts: ['a', 'nobody'] })).toMatchObject({ status: 404, body: { code: 'host_not_found' } });
  expect(await drop({ repo: 'typo' })).toMatchObject({ status: 404, body: { code: 'cache_not_found' } });
  expect((await api.state.tasks.list()).length).toBe(before);
});

test('savings of more repos than are remembered displace those that were built longest ago', async () => {
  const savings = new SavingStore(api.state.redis, api.state.keys);
  for (let i = 0; i < 300; i++) await savings.learn(writer('b'), `repo ${i}`, 1_000, 100 + i);
  expect(await savings.learn(writer('b'), 'newest', 1, 1_000)).toBe(true);
  const known = await savings.of('b');
  expect([known.size, known.has('repo 0'), known.get('newest')]).toEqual([
    300,
    false,
    { hits: 1, savedMs: 1, at: 1_000 },
  ]);
  expect(await savings.learn({ host: 'b', incarnation: 'gone' }, 'x', 1, 1)).toBe(false);
});
