import type { BuildView, ModeDefaultView } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { apiForFile, redisForFile } from '../testing/for-file.ts';
import { problemIn } from '../testing/problem-in.ts';

const redis = await redisForFile();
const api = await apiForFile({}, { redis });

const put = (body: unknown, headers: Record<string, string> = {}) =>
  api.fetch('/v1/caches/modes', {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
const source = (name: string, subdir?: string) =>
  ({ type: 'git', url: `https://git.example/${name}.git`, ...(subdir !== undefined && { subdir }) }) as const;

test('a build takes its caches from its request, else from the default of its repo, else of its repository', async () => {
  await put({ repo: 'https://git.example/app', mode: 'archive' });
  await put({ repo: 'git.example/app//api', mode: 'fresh' });
  const cacheOf = async (request: object) => (await api.submit({ source: source('app'), ...request })).request.cache;
  expect(await cacheOf({})).toEqual({ mode: 'archive' });
  expect(await cacheOf({ source: source('app', 'ui'), dockerfile: 'other.Dockerfile' })).toEqual({ mode: 'archive' });
  expect(await cacheOf({ source: source('app', 'api') })).toEqual({ mode: 'fresh' });
  expect(await cacheOf({ cache: { mode: 'warm' } })).toEqual({ mode: 'warm' });
  expect(await cacheOf({ source: source('other') })).toBeUndefined();
  expect(await cacheOf({ team: 'ops' })).toBeUndefined();
});

test('registry is the default only of builds with a tag beside which their caches can be', async () => {
  await put({ repo: 'git.example/tagged', mode: 'registry' });
  const plain = await api.submit({ source: source('tagged') });
  const tagged = await api.submit({ source: source('tagged'), tags: ['r.example/a:1'] });
  expect([plain.request.cache, tagged.request.cache]).toEqual([undefined, { mode: 'registry' }]);
});

test('a repeated request is the same build even if the default has changed in between', async () => {
  const submit = async () => {
    const answer = await api.post('/v1/builds', { source: source('again') }, { 'idempotency-key': 'k' });
    return [answer.status, ((await answer.json()) as BuildView).id];
  };
  const first = await submit();
  await put({ repo: 'git.example/again', mode: 'fresh' });
  expect(await submit()).toEqual(first);
});

test('a schedule’s builds have the default of the time at which they are submitted', async () => {
  const created = await api.post('/v1/schedules', {
    ...{ name: 'nightly', cron: '0 0 29 2 *', request: { source: source('nightly') } },
  });
  const { id } = (await created.json()) as { id: string };
  const run = async () =>
    ((await (await api.fetch(`/v1/schedules/${id}/run`, { method: 'POST' })).json()) as BuildView).request.cache;
  expect(await run()).toBeUndefined();
  await put({ repo: 'git.example/nightly', mode: 'archive' });
  expect(await run()).toEqual({ mode: 'archive' });
  await put({ repo: 'git.example/nightly', mode: null });
  expect(await run()).toBeUndefined();
});

test('the list shows a team’s defaults with who set them, and a team sees and sets only its own', async () => {
  const { headers } = await api.token({ name: 'ci', team: 'web', scopes: ['builds:read', 'builds:write'] });
  expect(await (await put({ repo: 'git@git.example:b.git', mode: 'fresh' }, headers)).json()).toMatchObject({
    ...{ team: 'web', repo: 'git.example/b', mode: 'fresh', setBy: 'ci' },
  });
  await put({ repo: 'a', mode: 'warm' }, headers);
  const listed = await (await api.fetch('/v1/caches/modes', { headers })).json();
  const { modes } = listed as { modes: ModeDefaultView[] };
  expect(modes.map(({ repo, mode }) => `${repo} ${mode}`)).toEqual(['a warm', 'git.example/b fresh']);
  const one = await api.fetch('/v1/caches/modes?team=web&repo=https://git.example/b');
  expect(await one.json()).toEqual({ modes: [modes[1]] });
  expect(await problemIn(await put({ repo: 'a', team: 'ops', mode: 'fresh' }, headers))).toMatchObject({
    code: 'forbidden',
    errors: [{ field: 'team', got: '"ops"', expected: 'web, the team of ci' }],
  });
});

test('a default that is not valid is refused by its field, and changes nothing', async () => {
  const problem = async (body: unknown) => (await problemIn(await put(body))).errors;
  expect(await problem({ repo: 'app', mode: 'hot' })).toMatchObject([{ field: 'mode', got: '"hot"' }]);
  expect(await problem({ repo: 'two words', mode: 'fresh' })).toMatchObject([{ field: 'repo', got: '"two words"' }]);
  expect(await problem({ repo: 'app' })).toMatchObject([{ field: 'mode', got: 'nothing' }]);
  expect(await problem({ repo: 'app', mode: 'fresh', until: 1 })).toMatchObject([{ field: 'until' }]);
  expect(
    (await api.submit({ source: { type: 'git', url: 'https://git.example/app2' } })).request.cache,
  ).toBeUndefined();
});

test('a team with 1,000 defaults gets no more', async () => {
  const { redis: connection, keys } = api.state;
  const doc = JSON.stringify({ mode: 'fresh', setAt: 1, setBy: 'me' });
  await connection.hset(keys.cacheModes('big'), new Map(Array.from({ length: 1_000 }, (_, i) => [`r${i}`, doc])));
  expect(await problemIn(await put({ repo: 'app', team: 'big', mode: 'fresh' }))).toMatchObject({
    code: 'invalid_request',
    errors: [{ field: 'repo', expected: 'at most 1000 repos of a team' }],
  });
});
