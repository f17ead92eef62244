import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkList } from '@kiln/contracts';
import { allowedHosts } from '@kiln/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestApi, TOKEN } from '../testing/test-api.ts';

let api: TestApi;
let forge: Server;

beforeAll(async () => {
  forge = createServer((_request, response) => void response.writeHead(401).end()).listen(0, '127.0.0.1');
  api = await TestApi.start({}, { allowed: allowedHosts.parse('loopback'), resolve: undefinedResolve });
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  forge.close();
});

const undefinedResolve = async () => [{ address: '127.0.0.1', family: 4 as const }];

/** The checks of an area, as `<status> <subject>: <found>`. */
async function checksOf(area: string, token = TOKEN): Promise<string[]> {
  const response = await fetch(`${api.api.url}/v1/checks`, { headers: { Authorization: `Bearer ${token}` } });
  const { checks } = checkList.parse(await response.json());
  return checks.filter((one) => one.area === area).map((one) => `${one.status} ${one.subject}: ${one.found}`);
}

test('the pool’s Redis, clocks, scheduler and hosts are checked as they are', async () => {
  const redis = await checksOf('redis');
  expect(redis).toContain('ok maxmemory-policy: noeviction');
  expect(redis.find((line) => line.includes('maxmemory:'))).toMatch(/^warning maxmemory: not set; \d+ MiB are used$/);
  // On a busy machine its first report may have taken a while.
  expect(await checksOf('clock')).toEqual([
    'ok redis: agrees with the API',
    expect.stringMatching(/^(ok|warning) h1: /),
  ]);
  expect(await checksOf('scheduler')).toEqual(['problem leader: no scheduler leads']);
  expect(await checksOf('host')).toEqual(['ok pool: 1 of 1 hosts take builds']);
});

test('a host whose clock is wrong is found by its last report', async () => {
  const { redis, keys } = api.state;
  const seenAt = Number(await redis.hget(keys.host('h1'), 'lastSeenAt'));
  await redis.hset(keys.host('h1'), 'lastSeenAt', seenAt + 60_000);
  expect(await checksOf('clock')).toContainEqual(
    expect.stringMatching(/^problem h1: (5[5-9]|6[0-5])\.\d s ahead of Redis$/),
  );
  await redis.hset(keys.host('h1'), 'lastSeenAt', seenAt);
});

test('a setting of Redis that loses builds is a problem', async () => {
  const { redis } = api.state;
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  expect(await checksOf('redis')).toContain('problem maxmemory-policy: got allkeys-lru, expected noeviction');
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
});

test('admins see whether forges are reached, and other operators don’t: connections are of all teams', async () => {
  const { port } = forge.address() as AddressInfo;
  const connection = { forge: 'gitea', team: 'web', repositories: [{ match: ['acme/app'] }] } as const;
  await putConnection('there', { ...connection, url: `http://127.0.0.1:${port}` });
  await putConnection('gone', { ...connection, url: 'http://127.0.0.1:9' });
  const forges = await checksOf('forge');
  expect(forges).toContain('ok there: the API reaches it');
  expect(forges).toContainEqual(expect.stringMatching(/^problem gone: the API can’t reach it: /));
  const { token: operator } = await api.token({ team: 'ops', scopes: ['hosts:operate'] });
  expect(await checksOf('forge', operator)).toEqual([]);
  expect(await checksOf('host', operator)).toHaveLength(1);
});

async function putConnection(name: string, connection: object): Promise<void> {
  const response = await fetch(`${api.api.url}/v1/connections/${name}`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(connection),
  });
  expect(response.status, await response.text()).toBe(201);
}
