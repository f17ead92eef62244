import { type BuildView, type ScheduleView, scheduleList, scheduleView } from '@kiln/contracts';
import { limitDefaults } from '@kiln/domain';
import { TestRedis } from '@kiln/state/testing';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BuildRules } from '../limits/build-rules.ts';
import { LimitBook } from '../limits/limit-book.ts';
import { PATIENT } from '../testing/patient.ts';
import { problemIn } from '../testing/problem-in.ts';
import { TestApi } from '../testing/test-api.ts';
import { scheduleRunner } from './run-schedules.ts';

let redis: TestRedis;
let api: TestApi;
beforeEach(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({}, { redis });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const GIT = { source: { type: 'git', url: 'https://git.example/app', ref: 'main' } } as const;
const NEVER = '0 0 29 2 *';

async function create(more: object = {}, headers: Record<string, string> = {}): Promise<ScheduleView> {
  const answer = await api.post('/v1/schedules', { name: 'nightly', cron: NEVER, request: GIT, ...more }, headers);
  if (answer.status !== 201) throw new Error(await answer.text());
  return scheduleView.parse(await answer.json());
}
const read = async (id: string) => scheduleView.parse(await (await api.fetch(`/v1/schedules/${id}`)).json());
const patch = (id: string, change: object) =>
  api.fetch(`/v1/schedules/${id}`, {
    method: 'PATCH',
    body: JSON.stringify(change),
    headers: { 'content-type': 'application/json' },
  });
const builds = async () => ((await (await api.fetch('/v1/builds')).json()) as { builds: BuildView[] }).builds;

/** The key of BullMQ's single waiting job of a schedule, and its due time. */
async function waiting(id: string): Promise<{ key: string; dueAt: number }> {
  const prefix = `${api.state.keys.queues()}:schedules:repeat:${id}:`;
  // A job that is being worked on is still there, with its lock.
  const found = await api.state.redis.keys(`${prefix}*`);
  const times = found.map((key) => Number(key.slice(prefix.length))).filter((time) => !Number.isNaN(time));
  const dueAt = Math.max(...times);
  return { key: times.length > 0 ? `${prefix}${dueAt}` : '', dueAt };
}

/** Makes the waiting job due now, as the passing of time would. */
async function comeDue(id: string): Promise<number> {
  const { key, dueAt } = await waiting(id);
  const { redis: connection, keys } = api.state;
  const prefix = `${keys.queues()}:schedules`;
  await connection.hset(key, 'delay', 0);
  const job = key.slice(prefix.length + 1);
  await connection.zadd(`${prefix}:delayed`, 'XX', 1, job);
  // A BullMQ worker that sleeps until the next job wakes up for a marker.
  await connection.zadd(`${prefix}:marker`, 0, '0');
  return dueAt;
}

describe('a schedule', () => {
  test('shows its next run by its time zone', async () => {
    const { id } = await create({ cron: '30 4 * * *', timezone: 'Europe/Berlin', name: 'early' });
    const next = (await read(id)).nextRunAt ?? '';
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' }).format(
      new Date(next),
    );
    expect(local).toBe('04:30');
    expect(Date.parse(next) - Date.now()).toBeLessThanOrEqual(25 * 3_600_000);
    const { nextRunAt } = await create({ cron: '0 0 1 1 *' });
    expect(nextRunAt).toMatch(/^\d{4}-01-01T00:00:00\.000Z$/);
  });

  test('makes one build when it is due, however many processes there are, and shows the result', async () => {
    const namespace = api.state.keys.prefix.slice(1, -2);
    await using _second = await TestApi.start({}, { redis, namespace });
    await using _third = await TestApi.start({}, { redis, namespace });
    const { id, nextRunAt } = await create({ request: { ...GIT, team: 'web', target: 'test' } });
    const dueAt = await comeDue(id);
    expect(new Date(dueAt).toISOString()).toBe(nextRunAt);
    await expect.poll(async () => (await read(id)).lastRun?.build, PATIENT).toBeDefined();
    const { lastRun, nextRunAt: after } = await read(id);
    expect(lastRun).toMatchObject({ dueAt: nextRunAt, state: 'queued' });
    expect(Date.parse(after ?? '')).toBeGreaterThan(Date.parse(nextRunAt ?? ''));
    const [build, ...more] = await builds();
    expect(more).toEqual([]);
    expect(build).toMatchObject({ id: lastRun?.build, team: 'web', request: { target: 'test' } });
    expect(build?.createdBy).toEqual({ kind: 'schedule', id: `schedule-${id}`, name: 'nightly' });
    const [entry] = (await api.state.audit.read({}, 100)).filter(({ action }) => action === 'runSchedule');
    expect(entry).toMatchObject({
      actor: { kind: 'schedule', id: `schedule-${id}`, name: 'nightly', team: 'web' },
      ...{ target: build?.id, outcome: 'done' },
    });
  });

  test('that was due while no process ran makes one build when a process starts', async () => {
    const { id } = await create();
    const namespace = api.state.keys.prefix.slice(1, -2);
    await api.api.close();
    await comeDue(id);
    expect((await api.state.builds.list({}, { limit: 10 })).builds).toEqual([]);
    await using back = await TestApi.start({}, { redis, namespace });
    await expect.poll(async () => (await back.state.builds.list({}, { limit: 10 })).builds.length, PATIENT).toBe(1);
    const { dueAt } = await waiting(id);
    expect(dueAt).toBeGreaterThan(Date.now());
    expect((await back.state.builds.list({}, { limit: 10 })).builds).toHaveLength(1);
  });

  test('can be paused, resumed, run at any time and removed', async () => {
    const { id } = await create();
    expect(scheduleView.parse(await (await patch(id, { paused: true })).json())).not.toHaveProperty('nextRunAt');
    expect((await waiting(id)).key).toBe('');
    const run = await api.fetch(`/v1/schedules/${id}/run`, { method: 'POST' });
    expect(run.status).toBe(202);
    const build = (await run.json()) as BuildView;
    expect((await read(id)).lastRun).toMatchObject({ build: build.id, state: 'queued' });
    expect((await read(id)).lastRun).not.toHaveProperty('dueAt');
    expect(await (await patch(id, { paused: false, cron: '0 4 * * *' })).json()).toMatchObject({
      cron: '0 4 * * *',
      nextRunAt: expect.stringContaining('T04:00:00'),
    });
    expect((await api.fetch(`/v1/schedules/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect(await problemIn(await api.fetch(`/v1/schedules/${id}`))).toMatchObject({ code: 'schedule_not_found' });
    expect((await waiting(id)).key).toBe('');
    await create();
    expect(scheduleList.parse(await (await api.fetch('/v1/schedules')).json()).schedules).toHaveLength(1);
  });

  test('has its job scheduler repaired after a process died half-way, and stays overdue if it is', async () => {
    const { id } = await create();
    const { redis: connection, keys, schedules } = api.state;
    const lost = await connection.keys(`${keys.queues()}:schedules:*`);
    await connection.del(...lost);
    expect((await read(id)).nextRunAt).toBeUndefined();
    await schedules.follow();
    const { nextRunAt } = await read(id);
    expect(nextRunAt).toBeDefined();
    const { key } = await waiting(id);
    await connection.hset(key, 'delay', 1);
    await schedules.follow();
    // If the job were replaced, it would have another delay.
    expect(await connection.hget(key, 'delay')).toBe('1');
    await connection.hdel(keys.schedules(), id);
    await schedules.follow();
    expect((await waiting(id)).key).toBe('');
  });

  test('gives its builds secrets that are stored nowhere in plain text', async () => {
    const { id } = await create({ request: { ...GIT, secrets: { npm: 'hunter2' } } });
    expect(await (await api.fetch(`/v1/schedules/${id}`)).json()).toMatchObject({ request: { secrets: ['npm'] } });
    const build = (await (await api.fetch(`/v1/schedules/${id}/run`, { method: 'POST' })).json()) as BuildView;
    expect(await api.state.builds.secretsOf(build.id)).toEqual({ npm: 'hunter2' });
    const { redis: connection, keys } = api.state;
    const texts = await Promise.all(
      [keys.schedules(), keys.build(build.id)].map(async (key) => JSON.stringify(await connection.hgetall(key))),
    );
    expect(texts.join('') + api.logged.join('')).not.toContain('hunter2');
  });
});

describe('a schedule request', () => {
  test.each([
    [{ name: 'Nightly!' }, 'name'],
    [{ cron: 'daily' }, 'cron'],
    [{ cron: '* * * * * *' }, 'cron'],
    [{ cron: '61 * * * *' }, 'cron'],
    [{ cron: '0 0 31 2 *' }, 'cron'],
    [{ timezone: 'Mars/Olympus' }, 'timezone'],
    [{ request: { source: { type: 'upload', name: 'app' } } }, 'request.source.digest'],
    [{ request: { ...GIT, nope: 1 } }, 'request.nope'],
  ])('with %j is refused, naming the field', async (more, field) => {
    const answer = await api.post('/v1/schedules', { name: 'n', cron: NEVER, request: GIT, ...more });
    const { code, errors } = await problemIn(answer);
    expect([code, errors[0]?.field]).toEqual(['invalid_request', field]);
    expect(await api.state.schedules.list()).toEqual([]);
  });

  test('is refused for a name in use, for another team, or for what an untrusted credential may not have', async () => {
    const { headers } = await api.token({ team: 'web', scopes: ['builds:read', 'builds:write'] });
    await create({}, headers);
    const refusal = async (more: object, as = headers) =>
      problemIn(await api.post('/v1/schedules', { name: 'nightly', cron: NEVER, request: GIT, ...more }, as));
    expect(await refusal({})).toMatchObject({ code: 'schedule_exists', errors: [{ field: 'name', got: '"nightly"' }] });
    expect(await refusal({ name: 'x', request: { ...GIT, team: 'ops' } })).toMatchObject({ code: 'forbidden' });
    const untrusted = await api.token({ team: 'web', scopes: ['builds:read', 'builds:write'], trust: 'untrusted' });
    const secret = { name: 'x', request: { ...GIT, secrets: { a: 'b' } } };
    expect(await refusal(secret, untrusted.headers)).toMatchObject({ code: 'forbidden' });
    const [before] = await api.state.schedules.list();
    const path = `/v1/schedules/${before?.id}`;
    for (const [method, at, body] of [
      ['POST', `${path}/run`],
      ['PATCH', path, JSON.stringify({ paused: true })],
      ['DELETE', path],
    ] as const) {
      const headers = { ...untrusted.headers, 'content-type': 'application/json' };
      const answer = await api.fetch(at, { method, headers, ...(body && { body }) });
      expect(await problemIn(answer)).toMatchObject({ code: 'forbidden', errors: [{ field: 'id' }] });
    }
    expect(await api.state.schedules.list()).toEqual([before]);
    const own = await create({ name: 'own' }, untrusted.headers);
    const removed = await api.fetch(`/v1/schedules/${own.id}`, { method: 'DELETE', headers: untrusted.headers });
    expect(removed.status).toBe(200);
    const inner = { name: 'x', request: { source: { type: 'git', url: 'http://10.0.0.1/app' } } };
    expect(await refusal(inner)).toMatchObject({ code: 'target_refused' });
  });

  test('that fails for a transient reason is retried, and recorded at the last try; one due time makes one build', async () => {
    const { id } = await create();
    const { state } = api;
    using book = new LimitBook(limitDefaults(), state.limits, state.events, Date.now);
    const rules = { book, checkGitHost: async () => {}, storage: state.storage };
    const run = scheduleRunner(
      {
        ...{
          builds: state.builds,
          blobs: api.blobs,
          trees: api.trees,
          contextRetentionMs: 1,
          buildSecrets: state.buildSecrets,
          modeDefaults: state.modeDefaults,
          untrustedPush: [],
          takesClientLogins: true,
          now: Date.now,
        },
        schedules: state.schedules,
        rulesFor: (principal, team) => BuildRules.of(principal, team, rules),
      },
      { audit: state.audit, log: pino({ level: 'silent' }) },
    );
    await state.limits.change({ kind: 'team', name: 'default' }, { queuedBuilds: 0 });
    await expect(run({ id, dueAt: 1_000, isLastTry: false })).rejects.toMatchObject({ code: 'queue_full' });
    expect(await state.schedules.lastRun(id)).toBeUndefined();
    await run({ id, dueAt: 1_000, isLastTry: true });
    expect((await read(id)).lastRun).toMatchObject({ refused: { code: 'queue_full' } });
    // A lasting refusal isn't retried.
    await state.limits.change({ kind: 'team', name: 'default' }, { queuedBuilds: null, gitHosts: [] });
    await expect.poll(async () => (await book.of({ kind: 'team', name: 'default' })).gitHosts, PATIENT).toEqual([]);
    await run({ id, dueAt: 2_000, isLastTry: false });
    expect((await read(id)).lastRun).toMatchObject({ refused: { code: 'target_refused' } });
    await state.limits.change({ kind: 'team', name: 'default' }, { gitHosts: null });
    await expect.poll(async () => (await book.of({ kind: 'team', name: 'default' })).gitHosts, PATIENT).toEqual(['*']);
    // No caller can replace a run by using its idempotency key.
    const squatted = { 'idempotency-key': `${id}-3000` };
    await api.post('/v1/builds', GIT, squatted);
    await api.post('/v1/builds', GIT, { 'idempotency-key': `schedule-${id}-3000` });
    await Promise.all([1, 2, 3].map(() => run({ id, dueAt: 3_000, isLastTry: false })));
    expect(await builds()).toHaveLength(3);
  });
});
