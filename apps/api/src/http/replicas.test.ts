import { connectRedis } from '@kiln/state';
import { TestSentinel } from '@kiln/state/testing';
import { expect, test } from 'vitest';
import { TestApi } from '../testing/test-api.ts';

const BUILD = { source: { type: 'git', url: 'https://git.example/app' } };

/** The lines about replicas. */
const lines = (text: string) => text.split('\n').filter((line) => /replica/.test(line));

test('202 waits for a replica; without one nothing is accepted, and /readyz shows the reason', async () => {
  await using servers = await TestSentinel.start();
  await using api = await TestApi.start({}, { redis: servers, minReplicas: 1, replicaTimeoutMs: 200 });
  const ready = async () => lines(await (await api.fetch('/readyz')).text());
  expect(await ready()).toEqual([
    'redis replicas: 1 connected, 1 required',
    expect.stringMatching(/^warning: redis: min-replicas-to-write is 0, expected at least 1:/),
  ]);
  expect((await api.post('/v1/builds', BUILD)).status).toBe(202);

  const master = connectRedis(servers.masterUrl, () => {});
  await master.ping();
  await servers.cutReplication();
  const refused = async () => {
    const answer = await api.post('/v1/builds', BUILD);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toMatchObject({
      status: 503,
      code: 'unavailable',
      detail: expect.stringMatching(/^too few replicas/),
    });
  };
  await refused();
  expect(await ready()).toContain(
    'warning: redis: 0 replicas are connected, expected at least 1: nothing is accepted meanwhile',
  );
  // The server itself also refuses writes.
  await master.config('SET', 'min-replicas-to-write', '1');
  await refused();
  master.disconnect();
});
