import type { TaskView } from '@kiln/contracts';
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

const join = (name: string, tasks: string[], trust: ('trusted' | 'untrusted')[] = ['trusted']) =>
  api.state.hosts.sync(
    {
      ...{ name, slots: 1, platforms: [], labels: {}, driver: 'docker', accepting: true, trust, tasks },
      ...{ engineVersion: '1', buildxVersion: '1' },
    },
    { machine: `m-${name}`, incarnation: 'i1' },
    60_000,
  );
const BAKE = { files: { 'docker-bake.hcl': 'target "web" {}' }, variables: { TAG: '1' } };
const evaluate = (bake: object, headers: Record<string, string> = {}) =>
  api.fetch('/v1/bake/evaluate', {
    method: 'POST',
    body: JSON.stringify({ bake }),
    headers: { 'content-type': 'application/json', ...headers },
  });

test('POST /v1/bake/evaluate gives a task to a live host that can evaluate bake files, for the caller’s trust class', async () => {
  await join('old', ['drop']);
  const refused = await evaluate(BAKE);
  expect(refused.status).toBe(404);
  expect(await refused.json()).toMatchObject({
    code: 'host_not_found',
    errors: [{ field: 'host', got: expect.stringContaining('can’t') }],
  });

  await join('h1', ['drop', 'evaluate']);
  const fork = await api.token({ team: 'web', scopes: ['builds:write', 'builds:read'], trust: 'untrusted' });
  expect((await evaluate(BAKE, fork.headers)).status).toBe(404);
  const web = await api.token({ team: 'web', scopes: ['builds:write', 'builds:read'] });
  const answer = await evaluate(BAKE, web.headers);
  expect(answer.status).toBe(202);
  const task = (await answer.json()) as TaskView;
  expect(task).toMatchObject({ host: 'h1', type: 'evaluate', team: 'web', order: { team: 'web' } });
  expect(JSON.stringify(task)).not.toContain('docker-bake.hcl');
  expect((await api.state.tasks.get(task.id))?.order).toMatchObject({ bake: BAKE });

  const writer = { host: 'h1', incarnation: 'i1' };
  await api.state.tasks.claim(writer, ['evaluate']);
  await api.state.tasks.settle(writer, task.id, { result: { printed: '{}' } });
  const ended = await api.fetch(`/v1/tasks/${task.id}?wait=60`, { headers: web.headers });
  expect(await ended.json()).toMatchObject({ state: 'succeeded', result: { printed: '{}' } });
  const other = await api.token({ team: 'ops', scopes: ['builds:read'] });
  expect((await api.fetch(`/v1/tasks/${task.id}`, { headers: other.headers })).status).toBe(404);
});

test.each([
  ['a path that leads out', { files: { '../x': '' } }],
  ['an absolute path', { files: { '/etc/x': '' } }],
  ['an unknown flag', { files: {}, flags: ['builder=x'] }],
  ['a bad name of a variable', { files: {}, variables: { 'A=B': '' } }],
  ['too many bytes', { files: { a: 'x'.repeat(200_000), b: 'x'.repeat(100_000) } }],
])('refuses %s as invalid_request', async (_, bake) => {
  expect(await (await evaluate(bake)).json()).toMatchObject({ status: 400, code: 'invalid_request' });
});
