import { SnapshotWriter } from '@kiln/blobs';
import type { SnapshotView, TaskView } from '@kiln/contracts';
import { cacheKey } from '@kiln/domain';
import { TestRedis } from '@kiln/state/testing';
import type { TreePart } from '@kiln/trees';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendParts } from '../testing/send-parts.ts';
import { TestApi } from '../testing/test-api.ts';

let redis: TestRedis;
let api: TestApi;
const credentials: Record<string, Record<string, string>> = {};
beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({}, { redis });
  const scopes = ['builds:read', 'builds:write'] as const;
  for (const [name, rest] of [
    ['web', { team: 'web' }],
    ['fork', { team: 'web', trust: 'untrusted' }],
    ['ops', { team: 'ops' }],
  ] as const)
    credentials[name] = (await api.token({ ...rest, scopes: [...scopes] })).headers;
  await join('h1');
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const join = (name: string) =>
  api.state.hosts.sync(
    {
      ...{ name, slots: 1, platforms: [], labels: {}, driver: 'docker-container', accepting: true },
      ...{ engineVersion: '1', buildxVersion: '1', isolation: 'team', tasks: ['save', 'seed'] },
      trust: ['trusted', 'untrusted'],
    },
    { machine: `m-${name}`, incarnation: 'i1' },
    60_000,
  );

/** A call by a credential; `status`, and the answer. */
async function call<T>(who: string, path: string, body?: object): Promise<{ status: number; answer: T }> {
  const headers = { ...credentials[who], 'content-type': 'application/json' };
  const answer = await api.fetch(path, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
  return { status: answer.status, answer: (await answer.json()) as T };
}

/** Stores the content of a snapshot for a team, as an import does. */
async function content(team: string, text: string): Promise<string> {
  const store = async (parts: readonly TreePart[]) =>
    void (await sendParts(api, [...parts], `?team=${team}&purpose=snapshot`));
  const writer = new SnapshotWriter({ missingFiles: async (digests) => digests, store });
  const tar = async function* () {
    yield Buffer.from(text);
  };
  writer.keep(await writer.addMount({ id: '/root/.npm', kind: 'dependencies' }, tar()));
  return (await writer.finish()).root;
}

async function imported(who: string, team: string, repo: string, text = repo): Promise<SnapshotView> {
  const root = await content(team, text);
  const { status, answer } = await call<SnapshotView>(who, '/v1/snapshots', { repo, root });
  expect([status, answer]).toEqual([201, expect.objectContaining({ repo, team, root })]);
  return answer;
}

const seed = (who: string, body: object) =>
  call<TaskView & { code?: string }>(who, '/v1/caches/seed', { host: 'h1', ...body });

test('an untrusted credential’s snapshot is untrusted, whatever it says, and never fills the caches of trusted builds', async () => {
  const planted = await imported('fork', 'web', 'app', 'evil');
  expect(planted.trust).toBe('untrusted');
  const claim = { repo: 'app', root: planted.root, trust: 'trusted' };
  expect(await call('fork', '/v1/snapshots', claim)).toMatchObject({ status: 403, answer: { code: 'forbidden' } });
  expect(await seed('web', { repo: 'app', snapshot: planted.id })).toMatchObject({
    ...{ status: 409, answer: { code: 'snapshot_refused' } },
  });
  expect(await seed('fork', { repo: 'app', snapshot: planted.id, trust: 'trusted' })).toMatchObject({ status: 403 });
  // Nor is it what a trusted seed takes by default.
  expect(await seed('web', { repo: 'app' })).toMatchObject({ status: 404, answer: { code: 'snapshot_not_found' } });
  const own = await seed('fork', { repo: 'app' });
  expect(own).toMatchObject({ status: 202, answer: { type: 'seed', trust: 'untrusted', team: 'web' } });
  expect(own.answer.order).toMatchObject({
    ...{ snapshot: planted.id, repo: cacheKey({ repo: 'app', team: 'web', trust: 'untrusted' }) },
    domain: 'untrusted team web',
  });
});

test('a snapshot of trusted builds may fill the caches of trusted and untrusted builds of its team', async () => {
  const { id } = await imported('web', 'web', 'both');
  for (const [who, domain] of [
    ['web', 'trusted team web'],
    ['fork', 'untrusted team web'],
  ] as const)
    expect((await seed(who, { repo: 'both' })).answer.order).toMatchObject({ snapshot: id, domain });
});

test('another team neither sees a snapshot, nor uses or deletes it, nor names its content', async () => {
  const { id, root } = await imported('web', 'web', 'secret');
  expect(await call('ops', `/v1/snapshots/${id}`)).toMatchObject({ answer: { code: 'snapshot_not_found' } });
  expect((await call<{ snapshots: unknown[] }>('ops', '/v1/snapshots')).answer.snapshots).toEqual([]);
  expect(await call('ops', '/v1/snapshots?team=web')).toMatchObject({ status: 403 });
  expect(await seed('ops', { repo: 'secret', snapshot: id })).toMatchObject({ status: 404 });
  expect(await seed('ops', { repo: 'secret', team: 'web' })).toMatchObject({ status: 403 });
  expect(await call('ops', '/v1/snapshots', { repo: 'mine', root })).toMatchObject({
    ...{ status: 422, answer: { code: 'snapshot_invalid' } },
  });
  const init = { method: 'DELETE', ...(credentials.ops && { headers: credentials.ops }) };
  expect((await api.fetch(`/v1/snapshots/${id}`, init)).status).toBe(404);
  expect((await call('web', `/v1/snapshots/${id}`)).status).toBe(200);
});

test('the caches of a repo that no host has are not saved', async () => {
  const save = { repo: 'warm-one' };
  expect(await call('web', '/v1/caches/save', save)).toMatchObject({
    status: 404,
    answer: { code: 'cache_not_found' },
  });
  expect(await call('web', '/v1/caches/save', { ...save, host: 'none' })).toMatchObject({
    ...{ status: 404, answer: { code: 'host_not_found' } },
  });
});
