import { type HostInfoView, hostView, type Problem } from '@kiln/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
beforeEach(async () => {
  api = await TestApi.start({}, { redis });
});
afterEach(() => api[Symbol.asyncDispose]());

const host = async (method: string, path: string, body?: unknown) => {
  const answer = await api.fetch(`/v1/hosts/h1${path}`, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as HostInfoView & Problem };
};
const listed = async () =>
  ((await (await api.fetch('/v1/hosts')).json()) as { hosts: HostInfoView[] }).hosts.map((each) =>
    hostView.parse(each),
  );

async function running(): Promise<{ id: string; attempt: Awaited<ReturnType<TestApi['run']>> }> {
  const { id } = await api.submit();
  return { id, attempt: await api.run(id) };
}

describe('operators', () => {
  test('cordon, uncordon and drain hosts, and get the host as it is afterwards', async () => {
    expect(await host('POST', '/cordon')).toMatchObject({ status: 200, body: { name: 'h1', state: 'cordoned' } });
    expect((await listed())[0]).toMatchObject({ state: 'cordoned' });
    expect((await host('POST', '/uncordon')).body).toMatchObject({ state: 'ready' });

    const { attempt } = await running();
    const { body } = await host('POST', '/drain', { deadlineSeconds: 600 });
    expect(hostView.parse(body)).toMatchObject({ state: 'draining', builds: [{ id: attempt.ref.buildId }] });
    const { since = '', deadline = '' } = body.drain ?? {};
    expect(Date.parse(deadline) - Date.parse(since)).toBe(600_000);
    expect((await host('POST', '/drain')).body.drain).toEqual({ since });
    await attempt.settle({ end: 'succeeded' });
    expect((await listed())[0]).toMatchObject({ state: 'drained', usedSlots: 0 });
    expect((await host('POST', '/uncordon')).body).not.toHaveProperty('drain');
  });

  test('set slots and labels, and see the worker’s own values', async () => {
    expect((await listed())[0]).not.toHaveProperty('reported');
    const { body } = await host('PATCH', '', { slots: 7, labels: { disk: 'nvme' } });
    const set = { slots: 7, labels: { disk: 'nvme' }, reported: { slots: 100, labels: {} } };
    expect(body).toMatchObject(set);
    expect((await listed())[0]).toMatchObject(set);
    expect((await host('PATCH', '', { labels: { disk: null } })).body.labels).toEqual({});
    expect((await host('PATCH', '', { reset: true })).body).not.toHaveProperty('reported');
  });

  test('remove an empty host, and a busy one only by force; a refusal names its builds', async () => {
    const { id, attempt } = await running();
    const refused = await host('DELETE', '');
    expect(refused).toMatchObject({ status: 409, body: { code: 'host_busy', detail: expect.stringContaining(id) } });
    expect(refused.body.detail).toContain('Drain it first, or force the removal');
    expect(await host('DELETE', '?force=true')).toMatchObject({ status: 202, body: { state: 'removing' } });
    expect((await listed())[0]).toMatchObject({ state: 'removing', builds: [{ id }] });
    expect((await host('POST', '/uncordon')).body).toMatchObject({ state: 'ready' });
    await attempt.settle({ end: 'succeeded' });
    expect(await host('DELETE', '')).toMatchObject({ status: 200, body: { name: 'h1', state: 'removed' } });
    expect(await listed()).toEqual([]);
    expect(await host('DELETE', '')).toMatchObject({ status: 404, body: { code: 'host_not_found' } });
  });

  test('see lost hosts, and hosts that left but keep their settings', async () => {
    const { hosts, redis, keys } = api.state;
    const report = (await hosts.get('h1'))?.report;
    if (!report) throw new Error('h1 is gone');
    await redis.del(keys.hostLease('h1'));
    expect((await listed())[0]).toMatchObject({ state: 'lost' });
    expect((await host('POST', '/cordon')).body).toMatchObject({ state: 'lost' });
    await hosts.sync(report, { machine: 'm1', incarnation: 'i1' }, 60_000);
    expect((await listed())[0]).toMatchObject({ state: 'cordoned' });
    await hosts.leave('h1', 'i1');
    expect((await listed())[0]).toMatchObject({ state: 'left' });
  });

  test('see what was wrong with the builders of a host, and which of them are being repaired', async () => {
    const { hosts } = api.state;
    const report = (await hosts.get('h1'))?.report;
    if (!report) throw new Error('h1 is gone');
    expect((await listed())[0]).not.toHaveProperty('incidents');
    const incident = {
      domain: 'trusted',
      state: 'record_corrupt',
      action: 'new_state',
      message: 'invalid database',
    } as const;
    const changed = { ...report, domainsAway: ['trusted'], incidents: [{ ...incident, at: 1_767_323_045_000 }] };
    await hosts.sync(changed, { machine: 'm1', incarnation: 'i1' }, 60_000);
    const incidents = [{ ...incident, at: '2026-01-02T03:04:05.000Z' }];
    expect((await listed())[0]).toMatchObject({ domainsAway: ['trusted'], incidents });
    expect((await host('GET', '')).body).toMatchObject({ domainsAway: ['trusted'], incidents });
  });

  test.each([
    ['POST', '/cordon'],
    ['POST', '/uncordon'],
    ['POST', '/drain'],
    ['PATCH', ''],
    ['DELETE', ''],
  ])('get 404 from %s %s of an unknown host', async (method, path) => {
    const answer = await api.fetch(`/v1/hosts/nobody${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'PATCH' && { body: '{}' }),
    });
    expect(await answer.json()).toMatchObject({
      status: 404,
      code: 'host_not_found',
      detail: 'no host nobody in this pool',
      errors: [{ field: 'name', got: '"nobody"' }],
    });
  });

  test.each([
    ['POST', '/drain', { deadlineSeconds: -1 }, 'deadlineSeconds', '-1'],
    ['POST', '/drain', { deadline: 5 }, 'deadline', '5'],
    ['PATCH', '', { slots: 0 }, 'slots', '0'],
    ['PATCH', '', { labels: { 'Bad Label': 'x' } }, 'labels["Bad Label"]', '"x"'],
    ['PATCH', '', { labels: { ok: 'not ok' } }, 'labels.ok', '"not ok"'],
    ['PATCH', '', [], 'body', '[]'],
  ])('get the wrong field from %s %s %j', async (method, path, body, field, got) => {
    expect(await host(method, path, body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ field, got }] },
    });
  });

  test('are refused bodies of another type or of unlimited size', async () => {
    const text = await api.fetch('/v1/hosts/h1/drain', { method: 'POST', body: 'soon' });
    expect([text.status, ((await text.json()) as Problem).code]).toEqual([415, 'unsupported_media_type']);
    const none = await api.fetch('/v1/hosts/h1', { method: 'PATCH' });
    expect([none.status, ((await none.json()) as Problem).code]).toEqual([415, 'unsupported_media_type']);
    const labels = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`l${i}`, 'x']));
    expect((await host('PATCH', '', { labels })).status).toBe(200);
    expect((await host('PATCH', '', { labels: { more: 'x' } })).body).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'labels', expected: 'at most 32 labels on a host' }],
    });
  });
});
