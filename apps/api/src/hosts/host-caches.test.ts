import { hostDetail, hostList, hostLosses } from '@kiln/contracts';
import { FIRST_GUESS, type Trust } from '@kiln/domain';
import { InventoryStore, Leadership, UsageStore } from '@kiln/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { TestApi } from '../testing/test-api.ts';

const WRITER = { host: 'h1', incarnation: 'i1' };
const READ_AT = Date.parse('2026-01-02T03:04:05.000Z');
const ISO = '2026-01-02T03:04:05.000Z';

const redis = await redisForFile();
let api: TestApi;
beforeEach(async () => {
  api = await TestApi.start({}, { redis });
});
afterEach(() => api[Symbol.asyncDispose]());

const detail = async () => hostDetail.parse(await (await api.fetch('/v1/hosts/h1')).json());
const listed = async () => hostList.parse(await (await api.fetch('/v1/hosts')).json()).hosts[0];

async function publish(): Promise<void> {
  const { redis: connection, keys } = api.state;
  const mounts = [
    { id: 'x//npm', bytes: 30, lastUsedAt: READ_AT, inUse: true, records: 2 },
    { id: 'other//go', bytes: 5, lastUsedAt: READ_AT, inUse: false, records: 1 },
  ];
  const usages = new UsageStore(connection, keys);
  const learn = (repo: string, ids: readonly string[]) =>
    usages.learn(WRITER, repo, { mounts: ids.map((id) => ({ id, bytes: 30 })), layerBytes: 0, sizesAreFloors: false });
  await learn('web', ['x//npm', 'x//a', 'x//b']);
  await learn('app', ['x//npm']);
  await learn('cold', ['y//z']);
  await new InventoryStore(connection, keys).publish(
    WRITER,
    {
      sizesAreFloors: true,
      usedBytes: 1_000,
      mounts,
      mountsLeftOut: 3,
      layers: { count: 7, bytes: 900 },
      repoLayers: [],
    },
    READ_AT,
  );
}

test('shows no caches before they have been read', async () => {
  expect(await listed()).not.toHaveProperty('caches');
  const host = await detail();
  expect(host).toMatchObject({ name: 'h1', state: 'ready' });
  expect(host).not.toHaveProperty('inventory');
});

test('shows the content of a host’s caches, to whom it belongs, and the resulting warmth', async () => {
  await publish();
  const caches = { readAt: ISO, usedBytes: 1_000, mounts: 5, warmRepos: 1, sizesAreFloors: true };
  expect(await listed()).toMatchObject({ name: 'h1', caches });
  expect(await detail()).toMatchObject({
    name: 'h1',
    caches,
    inventory: {
      readAt: ISO,
      sizesAreFloors: true,
      usedBytes: 1_000,
      mounts: [
        { id: 'x//npm', repos: ['app', 'web'], bytes: 30, lastUsedAt: ISO, inUse: true, records: 2 },
        { id: 'other//go', repos: [], bytes: 5, inUse: false },
      ],
      mountsLeftOut: 3,
      layers: { count: 7, bytes: 900 },
      repos: [
        { repo: 'app', warmth: 1, bytes: 30, lastUsedAt: ISO },
        { repo: 'web', warmth: 1 / 3, bytes: 30, lastUsedAt: ISO },
      ],
    },
  });
});

test('lists what the loss of each host would cost', async () => {
  await publish();
  const runs = (mean: number) => ({ mean, samples: 9, drift: 0, spread: 0 });
  const token = (await new Leadership(api.state.redis, api.state.keys, 's1', 60_000).hold()) ?? '';
  const now = Date.now();
  const app = { estimate: { warm: runs(60_000), cold: runs(660_000) }, demand: { value: 2, at: now } };
  const pool = { estimate: FIRST_GUESS, horizonMs: 3_600_000, watchedSince: 0 };
  await api.state.learned.save(pool, [['app', app]], token);
  const losses = hostLosses.parse(await (await api.fetch('/v1/host-losses')).json());
  expect(losses.hosts).toMatchObject([
    { name: 'h1', builds: 0, caches: [{ repo: 'app', team: 'default', trust: 'trusted', onlyCopy: true, bytes: 30 }] },
  ]);
  expect(losses.hosts[0]?.secondsPerHour).toBeCloseTo(600, -1);
  await api.state.hostOperations.drain('h1');
  expect(await (await api.fetch('/v1/host-losses')).json()).toEqual({ hosts: [] });
});

test('shows the cache budget and where it comes from', async () => {
  const { report } = (await api.state.hosts.get('h1')) ?? {};
  if (!report) throw new Error('no host');
  await api.state.hosts.sync(
    { ...report, cacheBudgetBytes: 5_000, cacheBudgetFrom: 'estimated' },
    { machine: 'm1', incarnation: 'i1' },
    60_000,
  );
  expect(await listed()).toMatchObject({ cacheBudgetBytes: 5_000, cacheBudgetFrom: 'estimated' });
  expect(await detail()).toMatchObject({ cacheBudgetBytes: 5_000, cacheBudgetFrom: 'estimated' });
});

test('shows the trust class of caches on a host with two classes; those of an older host are trusted', async () => {
  expect((await detail()).trust).toEqual(['trusted']);
  const { redis: connection, keys, hosts } = api.state;
  const { report } = (await hosts.get('h1')) ?? {};
  if (!report) throw new Error('no host');
  const budgets = { cacheBudgetBytes: 1_000, cacheBudgets: { trusted: 750, untrusted: 250 } };
  const both = { ...report, ...budgets, trust: ['trusted', 'untrusted'] satisfies Trust[] };
  await hosts.sync(both, { machine: 'm1', incarnation: 'i1' }, 60_000);
  const usages = new UsageStore(connection, keys);
  for (const repo of ['app', 'untrusted web app', 'untrusted ops app']) {
    const id = repo === 'app' ? 'x//npm' : 'y//npm';
    await usages.learn(WRITER, repo, { mounts: [{ id, bytes: 30 }], layerBytes: 0, sizesAreFloors: false });
  }
  const mount = { bytes: 30, lastUsedAt: READ_AT, inUse: false, records: 1 };
  await new InventoryStore(connection, keys).publish(
    WRITER,
    {
      ...{ sizesAreFloors: false, usedBytes: 60, usedByTrust: { trusted: 40, untrusted: 20 }, mountsLeftOut: 0 },
      ...{ layers: { count: 0, bytes: 0 }, repoLayers: [] },
      mounts: [
        { id: 'x//npm', ...mount },
        { id: 'y//npm', ...mount, trust: 'untrusted' },
      ],
    },
    READ_AT,
  );
  const shown = {
    ...budgets,
    trust: ['trusted', 'untrusted'],
    caches: { usedByDomain: { trusted: 40, untrusted: 20 } },
  };
  expect(await listed()).toMatchObject(shown);
  const { inventory, ...head } = await detail();
  expect(head).toMatchObject(shown);
  expect(inventory?.mounts).toMatchObject([
    { id: 'x//npm', trust: 'trusted', repos: ['app'] },
    { id: 'y//npm', trust: 'untrusted', repos: ['app'] },
  ]);
  const rows = inventory?.repos.map(({ repo, trust, team }) => [repo, trust, team]);
  expect(rows).toHaveLength(3);
  expect(rows).toEqual(
    expect.arrayContaining([
      ['app', 'trusted', 'default'],
      ['app', 'untrusted', 'web'],
      ['app', 'untrusted', 'ops'],
    ]),
  );
});

test.each([
  [
    '/v1/hosts/nobody',
    404,
    'host_not_found',
    { field: 'name', got: '"nobody"', expected: 'the name of a host; GET /v1/hosts lists them' },
  ],
  ['/v1/hosts/No_Body', 400, 'invalid_request', { field: 'name', got: '"No_Body"' }],
])('%s is answered with %s %s', async (path, status, code, error) => {
  const answer = await api.fetch(path);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ code, errors: [error] });
});

test('only the cache scope, not a build argument, sets the namespace of cache mounts', async () => {
  const source = { type: 'git', url: 'https://git.example/app' };
  const refused = await api.post('/v1/builds', { source, buildArgs: { A: '1', BUILDKIT_CACHE_MOUNT_NS: 'mine' } });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    code: 'invalid_request',
    errors: [
      {
        field: 'buildArgs.BUILDKIT_CACHE_MOUNT_NS',
        got: '"mine"',
        expected:
          'it to be absent, because Kiln sets this build argument; use cacheScope to choose who shares cache mounts',
      },
    ],
  });
  expect((await api.submit({})).request.cacheScope).toBe('repo');
  expect((await api.submit({ cacheScope: 'team' })).request.cacheScope).toBe('team');
  const unknown = await api.post('/v1/builds', { source, cacheScope: 'world' });
  expect(await unknown.json()).toMatchObject({
    errors: [{ field: 'cacheScope', got: '"world"', expected: '"repo" or "team" or "pool"' }],
  });
});
