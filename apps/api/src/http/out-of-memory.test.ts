import type { Problem } from '@kiln/contracts';
import { allowedHosts } from '@kiln/runtime';
import { fillMemory, freeMemory, TestRedis } from '@kiln/state/testing';
import { expect, onTestFinished, test } from 'vitest';
import { PATIENT } from '../testing/patient.ts';
import { TestApi } from '../testing/test-api.ts';
import { hook, TestForge } from '../testing/test-forge.ts';

const BUILD = { source: { type: 'git', url: 'https://git.example/app' } } as const;

test('while Redis is out of memory, reads, cancels and revocations work, and new builds and webhooks are refused with 503', async () => {
  const redis = await TestRedis.start({ maxMemoryBytes: 14 * 1024 * 1024 });
  onTestFinished(() => redis[Symbol.asyncDispose]());
  const api = await TestApi.start({ memoryIntervalMs: 20 }, { redis, allowed: allowedHosts.parse('loopback') });
  onTestFinished(() => api[Symbol.asyncDispose]());
  const forge = await TestForge.start(api);
  onTestFinished(() => forge[Symbol.asyncDispose]());
  await forge.connect('github');
  const reader = await api.token({ scopes: ['builds:read', 'logs:read'] });
  const [runs, waits] = [await api.submit({ team: 'web' }), await api.submit({ team: 'web' })];
  const attempt = await api.run(runs.id);
  await api.post('/v1/builds', BUILD, { 'idempotency-key': 'before' });
  await attempt.log({ t: 1, type: 'note', message: 'hello' });
  const readyz = async () => (await api.fetch('/readyz')).text();
  const refused = async (answer: Response) => {
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
    expect(((await answer.json()) as Problem).code).toBe('store_full');
  };

  await fillMemory(api.state.redis);
  await expect.poll(readyz, PATIENT).toContain('nearly full');
  await refused(await api.post('/v1/builds', BUILD));
  expect((await api.post('/v1/builds', BUILD, { 'idempotency-key': 'before' })).status).toBe(202);
  const upload = new FormData();
  upload.append('request', JSON.stringify({ source: { type: 'upload', name: 'app' } }));
  upload.append('context', new Blob(['not even a tar']));
  await refused(await api.fetch('/v1/builds', { method: 'POST', body: upload }));
  await refused(await forge.send(hook('github', 'push')));
  // With a credential whose requests are counted, and whose last use is recorded.
  for (const path of [`/v1/builds/${runs.id}`, '/v1/builds', `/v1/builds/${runs.id}/logs?follow=false`]) {
    expect((await api.fetch(path, { headers: reader.headers })).status).toBe(200);
  }
  expect((await api.fetch('/v1/hosts')).status).toBe(200);
  const ready = await api.fetch('/readyz');
  expect([ready.status, await ready.text()]).toEqual([
    200,
    expect.stringMatching(
      /^ready\nnot accepting builds or webhooks: .+ \(store_full\)\nnot starting queued builds: .+\nredis memory: \d/,
    ),
  ]);
  expect((await api.fetch(`/v1/builds/${waits.id}/cancel`, { method: 'POST' })).status).toBe(200);
  await refused(await api.post(`/v1/builds/${waits.id}/retry`, {}));
  expect((await api.fetch(`/v1/tokens/${reader.id}`, { method: 'DELETE' })).status).toBeLessThan(300);
  expect((await api.fetch('/v1/builds', { headers: reader.headers })).status).toBe(401);
  await attempt.settle({ end: 'succeeded' });
  expect(await api.view(runs.id)).toMatchObject({ state: 'succeeded' });

  await freeMemory(api.state.redis);
  await expect.poll(readyz, PATIENT).not.toContain('nearly full');
  expect((await api.post('/v1/builds', BUILD)).status).toBe(202);
  expect((await forge.send(hook('github', 'push'))).status).toBe(202);
});
